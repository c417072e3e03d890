"""Payouts as the old service kept them, and as others of its kind do."""

import uuid

from django.db import models


class Payout(models.Model):
    """Named as the new service names its fields, with a UUID."""

    class Status(models.TextChoices):
        PENDING = "pending"
        PROCESSING = "processing"
        COMPLETED = "completed"
        FAILED = "failed"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    amount = models.DecimalField(max_digits=18, decimal_places=2)
    currency = models.CharField(max_length=3)
    recipient_account = models.CharField(max_length=128)
    recipient_name = models.CharField(max_length=128)
    description = models.TextField(blank=True, default="")
    status = models.CharField(max_length=16, choices=Status, default=Status.PENDING)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)


class LegacyPayout(models.Model):
    """With a number for an id, other names, and the recipient in JSON."""

    amount = models.DecimalField(max_digits=14, decimal_places=2)
    recipient_details = models.JSONField()
    comment = models.CharField(max_length=255, blank=True)
    state = models.CharField(max_length=16)
    created = models.DateTimeField()
