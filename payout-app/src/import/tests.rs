//! Tests the import of rows as Django writes them.

use payout_adapters::django::{DjangoRow, RowKey};
use payout_core::Timestamp;
use payout_core::payout::{ForeignPayout, Standing, Status};

use super::contradiction;
use super::fields::{Field, Plan};
use super::output::{Outcome, Output, Tally};
use super::row::{Rules, Taken, id_of};
use crate::settings::{Command, Config, ImportCommand};

const COLUMNS: [&str; 9] = [
    "id",
    "amount",
    "currency",
    "recipient_account",
    "recipient_name",
    "description",
    "status",
    "created_at",
    "updated_at",
];

fn command(options: &[&str]) -> ImportCommand {
    let mut all = vec!["payout", "import-django", "--from=sqlite:///old.sqlite3"];
    all.extend_from_slice(options);
    let config = Config::from_args(all, &payout_core::ports::System::default()).unwrap();
    let Command::ImportDjango(command) = config.command else {
        panic!("another command")
    };
    command
}

fn table() -> Vec<String> {
    COLUMNS.map(str::to_owned).to_vec()
}

fn now() -> Timestamp {
    "2026-11-28T12:00:00Z".parse().unwrap()
}

/// Returns a row of the table, with some values changed.
fn row(changes: &[(&str, &str)]) -> DjangoRow {
    let mut values = vec![
        ("amount", "10.50"),
        ("currency", "USD"),
        ("recipient_account", "DE89370400440532013000"),
        ("recipient_name", "Ada Lovelace"),
        ("description", "Invoice 7"),
        ("status", "completed"),
        ("created_at", "2026-11-01 09:52:36.184953"),
        ("updated_at", "2026-11-01 09:52:38.000000"),
    ];
    for (name, value) in changes {
        values.iter_mut().find(|(other, _)| other == name).unwrap().1 = value;
    }
    DjangoRow {
        key: RowKey {
            text: "0f8fad5bd9cb469fa16570867728950e".to_owned(),
            number: false,
        },
        floats: vec![false; values.len()],
        values: values
            .into_iter()
            .map(|(_, value)| Some(value.to_owned()))
            .collect(),
    }
}

fn take(options: &[&str], row: &DjangoRow) -> Result<Taken, Vec<String>> {
    let command = command(options);
    let plan = Plan::of(&command, &table()).unwrap();
    let rules = Rules {
        command: &command,
        plan: &plan,
        now: now(),
    };
    rules.take(row)
}

#[track_caller]
fn taken(options: &[&str], row: &DjangoRow) -> ForeignPayout {
    match take(options, row) {
        Ok(Taken::Import { payout, .. }) => *payout,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn refused(options: &[&str], row: &DjangoRow) -> String {
    take(options, row).unwrap_err().join(" ")
}

#[test]
fn a_row_keeps_its_id_its_times_and_its_amount() {
    let payout = taken(&[], &row(&[]));
    assert_eq!(payout.id.to_string(), "0f8fad5b-d9cb-469f-a165-70867728950e");
    assert_eq!(
        payout.created_at,
        "2026-11-01T09:52:36.184953Z".parse::<Timestamp>().unwrap()
    );
    assert_eq!(payout.details.money.amount().to_string(), "10.50");
    assert_eq!(payout.standing, Standing::Completed(None));
    assert_eq!(payout.actor.as_str(), "import-django");
    assert!(
        payout
            .detail
            .contains("payouts_payout 0f8fad5bd9cb469fa16570867728950e"),
        "{}",
        payout.detail
    );
    let yen = taken(&[], &row(&[("amount", "1000.00"), ("currency", "jpy")]));
    assert_eq!(
        (
            yen.details.money.amount().to_string().as_str(),
            yen.details.money.currency().code()
        ),
        ("1000", "JPY")
    );
}

/// The expected id in Python: `uuid.uuid5(uuid.NAMESPACE_URL, "django:payouts_payout:17")`.
#[test]
fn a_number_becomes_an_id_that_clients_can_compute() {
    let key = RowKey {
        text: "17".to_owned(),
        number: true,
    };
    let id = id_of("payouts_payout", &key);
    assert_eq!(id.to_string(), "edf206e7-a943-5e89-b244-31a85905f6f6");
    assert_eq!(id_of("public.payouts_payout", &key), id);
    assert_ne!(id_of("other_payout", &key), id);
}

#[test]
fn times_are_read_as_django_and_its_databases_write_them() {
    let expected: Timestamp = "2026-11-01T09:52:36.184953Z".parse().unwrap();
    for (text, offset) in [
        ("2026-11-01 09:52:36.184953", "+00:00"),
        ("2026-11-01 09:52:36.184953+00", "+00:00"),
        ("2026-11-01 10:52:36.184953+01:00", "+05:00"),
        ("2026-11-01T09:52:36.184953Z", "+05:00"),
        ("2026-11-01 11:52:36.184953", "+02:00"),
        ("2026-11-01 04:22:36.184953", "-05:30"),
    ] {
        let option = format!("--utc-offset={offset}");
        let payout = taken(&[&option], &row(&[("created_at", text)]));
        assert_eq!(payout.created_at, expected, "{text} {offset}");
    }
    let late = refused(&[], &row(&[("created_at", "2026-11-28 13:00:00")]));
    assert!(late.contains("future") && late.contains("--utc-offset"), "{late}");
    assert!(refused(&[], &row(&[("created_at", "yesterday")])).contains("not a time"));
}

#[test]
fn what_may_have_been_sent_waits_for_a_person() {
    assert_eq!(
        taken(&[], &row(&[("status", "processing")])).standing,
        Standing::UnderReview
    );
    let stored = taken(&[], &row(&[("status", "processing")])).stored_at(now());
    assert!(stored.needs_review() && stored.parts().due_at.is_none());
}

/// The old service might still send pending payouts.
#[test]
fn what_is_pending_is_taken_only_as_somebody_says() {
    let pending = row(&[("status", "pending")]);
    assert!(refused(&[], &pending).contains("--pending=import"));
    for (choice, standing) in [
        ("import", Standing::Pending),
        ("cancel", Standing::Cancelled),
        ("review", Standing::UnderReview),
    ] {
        assert_eq!(
            taken(&[&format!("--pending={choice}")], &pending).standing,
            standing
        );
    }
    assert_eq!(take(&["--pending=skip"], &pending), Ok(Taken::Skip));
    // The option applies to no other status.
    for status in ["completed", "failed", "cancelled", "processing"] {
        let there = taken(&["--pending=import"], &row(&[("status", status)]));
        assert_ne!(there.standing, Standing::Pending, "{status}");
    }
}

#[test]
fn words_of_a_status_are_translated_and_unknown_ones_refused() {
    let paid = row(&[("status", "PAID")]);
    let reason = refused(&[], &paid);
    assert!(reason.contains("--status PAID=completed"), "{reason}");
    assert_eq!(
        taken(&["--status=PAID=completed"], &paid).standing,
        Standing::Completed(None)
    );
    assert_eq!(
        taken(&[], &row(&[("status", "Canceled")])).standing,
        Standing::Cancelled
    );
    let failed = taken(&["--set=failure_code=no_funds"], &row(&[("status", "failed")]));
    let Standing::Failed(failure) = failed.standing else {
        panic!("{failed:?}")
    };
    assert_eq!(failure.code(), "no_funds");
}

#[test]
fn every_reason_is_told_at_once_and_none_tells_who_is_paid() {
    let odd = row(&[
        ("amount", "-3"),
        ("currency", "XXX"),
        ("recipient_account", " "),
        ("recipient_name", &"n".repeat(200)),
        ("status", "lost"),
    ]);
    let reason = refused(&[], &odd);
    for field in ["currency:", "recipient_account:", "recipient_name:", "status:"] {
        assert!(reason.contains(field), "{field} {reason}");
    }
    assert!(!reason.contains("nnn"), "{reason}");
    assert!(refused(&[], &row(&[("amount", "0.00")])).contains("amount:"));
    assert!(refused(&[], &row(&[("amount", "10.505")])).contains("amount:"));
    let mut null = row(&[]);
    null.values[2] = None;
    assert!(refused(&[], &null).contains("recipient_account: it is empty"));
}

#[test]
fn what_was_paid_in_a_currency_that_is_gone_is_history_and_nothing_more_is_paid_in_it() {
    let paid = row(&[("currency", "HRK")]);
    assert_eq!(taken(&[], &paid).details.money.currency().code(), "HRK");
    let pending = row(&[("currency", "HRK"), ("status", "pending")]);
    assert!(refused(&["--pending=import"], &pending).contains("currency:"));
    assert!(take(&["--pending=cancel"], &pending).is_ok());
}

/// SQLite stores Django's decimals as binary floating-point numbers, of which only 15 digits are exact.
#[test]
fn an_amount_that_is_no_longer_exact_is_refused() {
    for (amount, exact) in [
        ("1234567890123.5", true),
        ("10.5", true),
        ("12345678901234.5", false),
        ("1.23456789012346e+17", false),
    ] {
        let mut row = row(&[("amount", amount)]);
        row.floats[0] = true;
        assert_eq!(take(&[], &row).is_ok(), exact, "{amount}");
    }
    let text = row(&[("amount", "1234567890123456.78")]);
    assert_eq!(
        taken(&[], &text).details.money.amount().to_string(),
        "1234567890123456.78"
    );
}

#[test]
fn columns_are_found_mapped_set_or_missed() {
    let old: Vec<String> = ["pk", "sum", "details", "state", "made"]
        .map(str::to_owned)
        .to_vec();
    let error = Plan::of(&command(&[]), &old).unwrap_err();
    assert!(
        error.contains("--map id=COLUMN") && error.contains("pk, sum, details"),
        "{error}"
    );
    let options = [
        "--map=id=pk",
        "--map=amount=sum",
        "--set=currency=USD",
        "--map=recipient_account=details.account",
        "--map=recipient_name=details.name",
        "--map=status=state",
        "--map=created_at=made",
    ];
    let plan = Plan::of(&command(&options), &old).unwrap();
    assert_eq!(plan.key, "pk");
    assert!(
        plan.describe().contains("recipient_account from details.account"),
        "{}",
        plan.describe()
    );
    assert!(
        plan.describe().contains("currency is always USD"),
        "{}",
        plan.describe()
    );
    let any = row(&[]);
    assert_eq!(plan.text(Field::Currency, &any), Some("USD"));
    assert_eq!(plan.text(Field::Description, &any), None);
    let error = Plan::of(&command(&["--map=acount=x"]), &table()).unwrap_err();
    assert!(error.starts_with("--map: there is no field acount"), "{error}");
    assert!(Plan::of(&command(&["--map=description=gone"]), &table()).is_err());
}

/// A repeated import reports what the old service has done since, but not what was decided here.
#[test]
fn a_payout_that_the_old_service_went_on_with_is_told() {
    let pending = taken(&["--pending=import"], &row(&[("status", "pending")]));
    let here = pending.stored_at(now());
    assert_eq!(contradiction(Status::Pending, &pending, &here), None);
    for was in [Status::Processing, Status::Completed] {
        let reason = contradiction(was, &pending, &here).unwrap();
        assert!(reason.contains("pays it too"), "{reason}");
    }
    let claim = here
        .claim(
            now(),
            std::time::Duration::from_secs(15),
            std::time::Duration::from_secs(20),
        )
        .unwrap();
    assert!(contradiction(Status::Completed, &pending, claim.payout()).is_some());
    let processing = taken(&[], &row(&[("status", "processing")]));
    let reviewed = processing.stored_at(now());
    assert_eq!(contradiction(Status::Processing, &processing, &reviewed), None);
    let completed = taken(&[], &row(&[]));
    assert_eq!(
        contradiction(Status::Completed, &completed, &completed.stored_at(now())),
        None
    );
    assert!(contradiction(Status::Completed, &completed, &reviewed).is_some());
    let other = taken(&[], &row(&[("created_at", "2026-11-02 09:52:36")]));
    assert_eq!(
        contradiction(Status::Completed, &other, &completed.stored_at(now())),
        Some("another payout has this id here")
    );
    let changed = taken(&[], &row(&[("amount", "11")]));
    assert!(contradiction(Status::Completed, &changed, &completed.stored_at(now())).is_some());
}

#[test]
fn the_output_tells_what_somebody_must_know_and_counts_the_rest() {
    let mut written = Vec::new();
    let mut output = Output::begin(&mut written, 3).unwrap();
    let uuid = row(&[]).key;
    let number = RowKey {
        text: "17".to_owned(),
        number: true,
    };
    let (same, other) = (id_of("t", &uuid), id_of("t", &number));
    output.row(&uuid, same, Outcome::Imported, "").unwrap();
    output.row(&number, other, Outcome::Imported, "").unwrap();
    output
        .row(&uuid, same, Outcome::Refused, "amount: a, \"b\"")
        .unwrap();
    let tally = output.end(false).unwrap();
    assert_eq!(
        tally,
        Tally {
            imported: 2,
            refused: 1,
            ..Tally::default()
        }
    );
    let text = String::from_utf8(written).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "old_id,id,outcome,reason".to_owned(),
            format!("17,{other},imported,"),
            format!("0f8fad5bd9cb469fa16570867728950e,{same},refused,\"amount: a, \"\"b\"\"\""),
        ]
    );
}
