//! The tables of lost answers in the providers' pages are those of a run.

use std::path::Path;

use payout_conformance::lost_answers::{replaced, table};
use payout_conformance::providers::Provider;

#[tokio::test]
async fn the_tables_in_the_providers_pages_are_those_of_a_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/providers");
    for provider in Provider::ALL {
        let table = table(*provider).await;
        let path = folder.join(format!("{}.md", provider.name()));
        let page = std::fs::read_to_string(&path).unwrap();
        let written = replaced(&page, &table).unwrap_or_else(|| panic!("{}: no place", path.display()));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &written).unwrap();
        } else {
            assert!(
                written == page,
                "UPDATE=1 writes the table of {}:\n{table}",
                provider.name()
            );
        }
    }
}
