//! `/console/shortcuts/`: the keys that lead somewhere.

use askama::Template;
use salvo::{Depot, Request, handler};

use super::html::Reply;
use super::shell::{Place, Shell};
use crate::http::problem::Problem;

#[derive(Template)]
#[template(path = "shortcuts/shortcuts.html")]
struct ShortcutsPage {
    shell: Shell,
}

/// Shows the list.
#[handler]
pub(super) async fn show(request: &mut Request, depot: &mut Depot) -> Result<Reply, Problem> {
    let shell = Shell::of(request, depot, Place::Elsewhere, "Shortcuts")?;
    Reply::page(&ShortcutsPage { shell })
}
