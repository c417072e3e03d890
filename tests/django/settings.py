"""A Django application as small as one can be, with the tables that `payout import-django` reads."""

import os

SECRET_KEY = "only for tests"
INSTALLED_APPS = ["payouts"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = os.environ.get("DJANGO_USE_TZ", "1") == "1"
# Two hours ahead of UTC: the sign in these names is inverted.
TIME_ZONE = "UTC" if USE_TZ else "Etc/GMT-2"

if "DJANGO_SQLITE" in os.environ:
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["DJANGO_SQLITE"]}}
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": os.environ["DJANGO_PG_HOST"],
            "PORT": os.environ["DJANGO_PG_PORT"],
            "USER": os.environ["DJANGO_PG_USER"],
            "PASSWORD": os.environ.get("DJANGO_PG_PASSWORD", ""),
            "NAME": os.environ["DJANGO_PG_NAME"],
        }
    }
