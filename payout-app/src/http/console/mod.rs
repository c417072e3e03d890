//! The operators' console under `/console/`: pages that the server makes, over the use cases that the API calls, with the
//! same scopes.
//!
//! Each page has a folder with its code and its template; `layout.html` is the frame of all, and [`shell`] its content.
//!
//! - [`guard`] decides who sees a page, and takes changes only from the console's own pages: [`cookies`] has the
//!   session's token, [`posted`] reads forms.
//! - [`html`] sends pages, with the policy that allows own files only; [`assets`] has those files.
//! - [`refusal`] turns the problems of every layer into pages.
//! - [`fields`] makes bodies of the API from forms; [`payment_form`] is the form of a payment.
//! - [`words`] and [`format`] say things as people do.
//!
//! Every page works without JavaScript. With it, rows change where they stand ([`live`]).

mod assets;
mod batches;
pub(super) mod bulk;
mod cookies;
mod fields;
mod format;
mod guard;
mod html;
mod keys;
mod live;
mod needs_you;
mod new_payout;
mod overview;
mod payment_form;
mod payout;
mod payouts;
mod posted;
mod providers;
mod query;
mod recipients;
pub(super) mod refusal;
mod shell;
mod shortcuts;
mod sign_in;
mod upload;
mod webhooks;
mod words;

use std::sync::{Arc, LazyLock};

use payout_core::access::{Scope, SessionToken};
use salvo::http::Method;
use salvo::{Handler, Router};

use self::guard::{Guarded, Rules};
use crate::http::api::batches::export::{QUERY as EXPORT_OF_BATCH, export_batch};
use crate::http::api::payouts::export::{QUERY as EXPORT, export_payouts};
use crate::http::extract::query::QueryPolicy;
use crate::http::middleware::parameters::Checked;
use crate::http::routes::leaves;

/// The token of changes in a service without API keys: random, and of this process alone.
static OPEN_TOKEN: LazyLock<String> = LazyLock::new(random_text);

/// Returns 256 random bits as text. Without random bits it is empty, which fits no form, so that nothing is changed.
fn random_text() -> String {
    let mut random = [0; 32];
    if getrandom::fill(&mut random).is_err() {
        return String::new();
    }
    SessionToken::of(&random).expose().to_owned()
}

/// The largest form with a file: the largest file, and the rest of the form. A file that the page carries is encoded.
const UPLOAD_BYTES: usize = crate::batch_file::MOST_BYTES + 64 * 1024;

const READ: Rules = Rules::scoped(&[Scope::Read]);
const WRITE: Rules = Rules::scoped(&[Scope::Write]);
const ADMIN: Rules = Rules::scoped(&[Scope::Admin]);
const OPERATE: Rules = Rules::scoped(&[Scope::Operate]);
const APPROVE: Rules = Rules::scoped(&[Scope::Approve]);
/// The rules of steps with many payouts, which check the scope of the step besides.
const STEPS: Rules = Rules::scoped(&[Scope::Operate, Scope::Approve]);

/// The routes of the console, in the order in which they are tried.
struct Console(Router);

impl Console {
    fn get(self, path: &str, rules: Rules, handler: impl Handler) -> Self {
        self.route(&Method::GET, path, rules, handler)
    }

    fn post(self, path: &str, rules: Rules, handler: impl Handler) -> Self {
        self.route(&Method::POST, path, rules, handler)
    }

    fn route(self, method: &Method, path: &str, rules: Rules, handler: impl Handler) -> Self {
        self.leaf(method, path, rules, Arc::new(handler))
    }

    /// Adds a route of the API, which is called only with a query that it knows.
    fn checked(self, path: &str, query: QueryPolicy, handler: impl Handler) -> Self {
        let handler = Checked::before(query, Arc::new(handler));
        self.leaf(&Method::GET, path, READ, handler)
    }

    fn leaf(self, method: &Method, path: &str, rules: Rules, handler: Arc<dyn Handler>) -> Self {
        let handler = Guarded::behind(rules, handler);
        Self(
            self.0
                .push(Router::with_path(path).append(&mut leaves(method, &handler))),
        )
    }
}

/// Adds the console. It is no part of the API, and so not of its document.
pub(super) fn add(router: Router) -> Router {
    let files: Arc<dyn Handler> = Arc::new(assets::Files);
    let icon: Arc<dyn Handler> = Arc::new(assets::Favicon);
    let router = router
        .push(Router::with_path("console/assets/{file}").append(&mut leaves(&Method::GET, &files)))
        .push(Router::with_path("favicon.ico").append(&mut leaves(&Method::GET, &icon)));
    Console(router)
        .get("console", READ, needs_you::show)
        .get("console/sign-in", Rules::OPEN, sign_in::show)
        .post("console/sign-in", Rules::OPEN, sign_in::sign_in)
        .post("console/sign-out", Rules::scoped(&[]), sign_in::sign_out)
        .post("console/theme", Rules::scoped(&[]), sign_in::set_theme)
        .get("console/shortcuts", Rules::scoped(&[]), shortcuts::show)
        .get(
            "console/live",
            Rules {
                streaming: true,
                ..READ
            },
            live::follow,
        )
        .get("console/new", WRITE, new_payout::show)
        .post("console/new", WRITE, new_payout::create)
        .get("console/payouts", READ, payouts::show)
        .post("console/payouts/selected", STEPS, payouts::selected::act)
        .get("console/payouts/rows", READ, payouts::rows::show)
        .checked("console/payouts/export", EXPORT, export_payouts)
        .get("console/payouts/{id}", READ, payout::show)
        .post(
            "console/payouts/{id}/reveal",
            Rules::scoped(&[Scope::Reveal]),
            payout::steps::reveal,
        )
        .get("console/payouts/{id}/edit", WRITE, payout::edit::show)
        .post("console/payouts/{id}/edit", WRITE, payout::edit::save)
        .post("console/payouts/{id}/delete", WRITE, payout::steps::delete)
        .post("console/payouts/{id}/approve", APPROVE, payout::steps::approve)
        .post("console/payouts/{id}/reject", APPROVE, payout::steps::reject)
        .post("console/payouts/{id}/cancel", OPERATE, payout::steps::cancel)
        .post("console/payouts/{id}/retry", OPERATE, payout::steps::retry)
        .post("console/payouts/{id}/resolve", OPERATE, payout::steps::resolve)
        .post(
            "console/payouts/{id}/return",
            OPERATE,
            payout::steps::mark_returned,
        )
        .get("console/upload", WRITE, upload::show)
        .post(
            "console/upload",
            Rules {
                most_bytes: UPLOAD_BYTES,
                ..WRITE
            },
            upload::take,
        )
        .get("console/batches", READ, batches::list)
        .checked("console/batches/{id}/export", EXPORT_OF_BATCH, export_batch)
        .post("console/batches/{id}/approve", APPROVE, batches::steps::approve)
        .post("console/batches/{id}/reject", APPROVE, batches::steps::reject)
        .get("console/batches/{id}", READ, batches::show)
        .post("console/batches/{id}/cancel", OPERATE, batches::steps::cancel)
        .post("console/batches/{id}/retry", OPERATE, batches::steps::retry)
        .get("console/bulk", READ, bulk::list)
        .post("console/bulk", STEPS, bulk::confirm::start)
        .get("console/bulk/new", STEPS, bulk::confirm::show)
        .get("console/bulk/{id}", READ, bulk::show)
        .post("console/bulk/{id}/stop", STEPS, bulk::stop::stop)
        .get("console/providers", READ, providers::show)
        .post("console/providers/{name}/pause", OPERATE, providers::pause)
        .post("console/providers/{name}/resume", OPERATE, providers::resume)
        .get("console/recipients", READ, recipients::show)
        .post("console/recipients/{id}/archive", WRITE, recipients::archive)
        .post("console/recipients/{id}/restore", WRITE, recipients::restore)
        .get("console/webhooks", ADMIN, webhooks::list)
        .post("console/webhooks", ADMIN, webhooks::steps::create)
        .get("console/webhooks/{id}", ADMIN, webhooks::show)
        .post("console/webhooks/{id}/disable", ADMIN, webhooks::steps::disable)
        .post("console/webhooks/{id}/enable", ADMIN, webhooks::steps::enable)
        .post("console/webhooks/{id}/delete", ADMIN, webhooks::steps::delete)
        .post("console/webhooks/{id}/test", ADMIN, webhooks::steps::test)
        .post("console/webhooks/{id}/rotate", ADMIN, webhooks::steps::rotate)
        .post("console/webhooks/{id}/replay", ADMIN, webhooks::steps::replay)
        .get(
            "console/webhooks/{id}/deliveries/{number}",
            ADMIN,
            webhooks::show_delivery,
        )
        .post(
            "console/webhooks/{id}/deliveries/{number}/redeliver",
            ADMIN,
            webhooks::steps::redeliver,
        )
        .get("console/keys", ADMIN, keys::show)
        .post("console/keys", ADMIN, keys::create)
        .post("console/keys/{name}/revoke", ADMIN, keys::revoke)
        .get("console/overview", READ, overview::show)
        .0
}
