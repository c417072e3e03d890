//! Files as people really have them: each is read, or refused with the row, the column and the remedy.

use payout_core::batch::Mistake;
use payout_core::payout::PaymentDetails;
use payout_core::usecase::batches::RowRecipient;

use super::*;

const HEADER: &str = "amount,currency,recipient_account,recipient_name,description";
const ROW: &str = "125.50,EUR,DE89370400440532013000,Ada Lovelace,Invoice 7";

fn open(text: &str) -> Result<BatchFile, FileError> {
    BatchFile::open(text.as_bytes().to_vec(), DecimalSign::Point)
}

fn refused(bytes: &[u8]) -> String {
    match BatchFile::open(bytes.to_vec(), DecimalSign::Point) {
        Ok(_) => panic!("the file is taken"),
        Err(error) => error.to_string(),
    }
}

fn read(text: &str) -> Vec<PaymentDetails> {
    let rows = open(text).unwrap();
    rows.rows().map(|row| details(&row)).collect()
}

/// Returns the payment of a row that has its own recipient.
fn details(row: &SourceRow) -> PaymentDetails {
    let payment = row.payment.clone().unwrap();
    match payment.recipient {
        RowRecipient::Given(recipient) => payment.terms.paid_to(*recipient, None),
        RowRecipient::Stored(id) => panic!("the recipient {id} is not in the row"),
    }
}

/// Returns the mistakes of a file whose header can be read: row, column and message.
fn wrong(text: &str) -> Vec<(u64, String, String)> {
    told(
        open(text)
            .unwrap()
            .rows()
            .filter_map(|row| row.payment.err())
            .flatten(),
    )
}

fn told(mistakes: impl IntoIterator<Item = Mistake>) -> Vec<(u64, String, String)> {
    let told = |mistake: Mistake| (mistake.row, mistake.column.unwrap_or_default(), mistake.message);
    mistakes.into_iter().map(told).collect()
}

fn wrong_header(header: &str) -> Vec<(u64, String, String)> {
    told(open(&format!("{header}\n")).unwrap_err().mistakes())
}

#[test]
fn a_row_has_the_fields_of_a_payout() {
    let text = format!(
        "{HEADER},external_id,statement_text,scheduled_at,metadata.Team\n{ROW},a-7,Salary,2026-12-01T09:00:00Z,blue\n"
    );
    let [details] = &read(&text)[..] else {
        panic!("one row")
    };
    assert_eq!(details.money.to_string(), "125.50 EUR");
    assert_eq!(details.recipient.account().as_str(), "DE89370400440532013000");
    assert_eq!(details.recipient.name().as_str(), "Ada Lovelace");
    assert_eq!(details.description.as_str(), "Invoice 7");
    assert_eq!(details.external_id.as_ref().unwrap().as_str(), "a-7");
    assert_eq!(details.statement_text.as_ref().unwrap().as_str(), "Salary");
    assert_eq!(
        details.scheduled_at.unwrap().to_rfc3339(),
        "2026-12-01T09:00:00+00:00"
    );
    assert_eq!(details.metadata.get("Team"), Some("blue"), "in its own case");
}

#[test]
fn every_delimiter_and_a_byte_order_mark_are_found() {
    let text = format!("{HEADER}\r\n{ROW}\r\n");
    let expected = read(&text);
    for delimiter in [";", "\t"] {
        assert_eq!(read(&text.replace(',', delimiter)), expected, "{delimiter:?}");
    }
    assert_eq!(read(&format!("\u{feff}{text}")), expected);
    assert_eq!(
        read(&format!("sep=;\r\n{}", text.replace(',', ";"))),
        expected,
        "as Excel writes it"
    );
    assert_eq!(read(&text.replace("\r\n", "\r")), expected);
    assert_eq!(read(text.trim_end()), expected, "without a line break at the end");
}

#[test]
fn a_header_is_read_in_any_order_case_and_spelling() {
    let text = "Recipient Name;CURRENCY; Amount ;recipient-account\nAda Lovelace;eur;1;A-1\n";
    let [details] = &read(text)[..] else {
        panic!("one row")
    };
    assert_eq!(details.recipient.account().as_str(), "A-1");
    assert_eq!(details.money.to_string(), "1.00 EUR");
}

#[test]
fn a_quoted_cell_may_have_line_breaks_and_the_rows_after_it_keep_their_numbers() {
    let text = format!("{HEADER}\n1,EUR,A-1,\"Lovelace, Ada\",\"two\nlines\"\n0,EUR,A-1,Ada,\n");
    let file = open(&text).unwrap();
    let rows: Vec<SourceRow> = file.rows().collect();
    let first = details(&rows[0]);
    assert_eq!(first.description.as_str(), "two\nlines");
    assert_eq!(first.recipient.name().as_str(), "Lovelace, Ada");
    assert_eq!(rows[1].number, 3, "as a spreadsheet numbers it");
}

#[test]
fn rows_without_text_are_skipped_and_keep_their_numbers() {
    let text = format!("{HEADER}\n\n{ROW}\n,,,,\n0,EUR,A,N,\n\n;;\n");
    let text = text.replace("\n;;\n", "\n,,,,\n\n");
    let file = open(&text).unwrap();
    let numbers: Vec<u64> = file.rows().map(|row| row.number).collect();
    assert_eq!(numbers, [3, 5]);
}

#[test]
fn columns_that_are_missing_unknown_or_doubled_are_named() {
    let missing = "This column is missing.";
    assert_eq!(
        wrong_header("amount,recipient_account,recipient_name"),
        [(1, "currency".to_owned(), missing.to_owned())]
    );
    assert_eq!(
        wrong_header("amonut,currency,recipient_account,recipient_name"),
        [(
            1,
            "amonut".to_owned(),
            "Unknown column; is amount meant?".to_owned()
        )]
    );
    assert_eq!(
        wrong_header("amount,currency,iban,recipient_name")[0].2,
        "Unknown column; is recipient.iban meant?"
    );
    assert_eq!(
        wrong_header("amount,currency,recipient_account,recipient_name,Amount"),
        [(
            1,
            "Amount".to_owned(),
            "This column is there twice: columns 1 and 5.".to_owned()
        )]
    );
    assert!(
        wrong_header("amount,currency,recipient_account,recipient_name,zzz")[0]
            .2
            .contains("metadata.")
    );
    let typed = wrong_header("amount,currency,recipient.iban");
    let names: Vec<&str> = typed.iter().map(|(_, name, _)| name.as_str()).collect();
    assert_eq!(names, ["recipient.type", "recipient.name"]);
}

#[test]
fn a_column_without_a_name_may_have_no_text() {
    let header = "amount,currency,recipient_account,recipient_name,,";
    assert_eq!(read(&format!("{header}\n1,EUR,A,N,,\n")).len(), 1);
    let wrong = wrong(&format!("{header}\n1,EUR,A,N,x,\n"));
    assert_eq!(wrong[0].2, "This cell is in a column without a name.");
}

#[test]
fn every_wrong_cell_of_a_row_is_named_at_once() {
    let wrong = wrong(&format!("{HEADER}\n{ROW}\n0,XXX,,=1+1,\n"));
    let places: Vec<(u64, &str)> = wrong
        .iter()
        .map(|(row, column, _)| (*row, column.as_str()))
        .collect();
    assert_eq!(
        places,
        [
            (3, "amount"),
            (3, "currency"),
            (3, "recipient_name"),
            (3, "recipient_account")
        ]
    );
}

#[test]
fn decimal_commas_are_refused_by_row_unless_they_are_asked_for() {
    let text = "amount;currency;recipient_account;recipient_name\n1234,50;EUR;A;N\n";
    let wrong = wrong(text);
    assert_eq!((wrong[0].0, wrong[0].1.as_str()), (2, "amount"));
    assert!(wrong[0].2.contains("decimal=comma"), "{}", wrong[0].2);
    let file = BatchFile::open(text.as_bytes().to_vec(), DecimalSign::Comma).unwrap();
    let row = details(&file.rows().next().unwrap());
    assert_eq!(row.money.to_string(), "1234.50 EUR");
}

#[test]
fn recipients_are_read_by_their_type() {
    let header =
        "amount,currency,recipient.type,recipient.name,recipient.iban,recipient.email,recipient.phone";
    let rows = read(&format!(
        "{header}\n1,EUR,iban,Ada,de89 3704 0044 0532 0130 00,,\n1,EUR,phone,Ada,,,+491701234567\n"
    ));
    assert_eq!(rows[0].recipient.account().as_str(), "DE89370400440532013000");
    assert_eq!(
        rows[1].recipient.fields().get("phone"),
        Some("+491701234567"),
        "no formula"
    );
    let wrong = wrong(&format!(
        "{header}\n1,EUR,iban,Ada,DE00370400440532013000,,\n1,EUR,,,,,\n"
    ));
    let places: Vec<(u64, &str)> = wrong
        .iter()
        .map(|(row, column, _)| (*row, column.as_str()))
        .collect();
    assert!(places.contains(&(2, "recipient.iban")), "{places:?}");
    assert!(places.contains(&(3, "recipient.type")), "{places:?}");
}

#[test]
fn a_file_may_have_recipients_of_both_forms_but_a_row_only_one() {
    let header =
        "amount,currency,recipient_account,recipient_name,recipient.type,recipient.name,recipient.iban";
    let iban = "DE89370400440532013000";
    let rows = read(&format!("{header}\n1,EUR,A,N,,,\n1,EUR,,,iban,Ada,{iban}\n"));
    assert_eq!(rows.len(), 2);
    let wrong = wrong(&format!("{header}\n1,EUR,A,N,iban,Ada,{iban}\n"));
    assert!(wrong[0].2.starts_with("Fill in either"), "{wrong:?}");
}

#[test]
fn masks_and_changed_numbers_are_refused() {
    let masked = wrong(&format!("{HEADER}\n1,EUR,••••3000,Ada,\n"));
    assert_eq!(masked[0].2, "This is a mask: send the whole value.");
    for row in [
        "1,EUR,3.70400440532013E+17,Ada,",
        "1,EUR,370.4E+15,Ada,",
        "12.3E+3,EUR,A-1,Ada,",
        "1e3,EUR,A-1,Ada,",
    ] {
        let scientific = wrong(&format!("{HEADER}\n{row}\n"));
        assert!(
            scientific[0].2.contains("scientific notation"),
            "{row}: {scientific:?}"
        );
    }
    assert_eq!(read(&format!("{HEADER}\n1,EUR,12E3,Ada,\n")).len(), 1);
}

#[test]
fn a_file_that_was_cut_says_so() {
    let text = format!("{HEADER}\n{ROW}\n1,EUR,A-1");
    assert!(wrong(&text)[0].2.contains("was cut"), "{:?}", wrong(&text));
    let open_quote = format!("{HEADER}\n{ROW}\n1,EUR,A-1,\"Ada");
    let wrong_quote = wrong(&open_quote);
    assert_eq!(
        (wrong_quote[0].0, wrong_quote[0].1.as_str()),
        (3, "recipient_name")
    );
    assert!(wrong_quote[0].2.contains("not closed"), "{wrong_quote:?}");
    let mut bytes = format!("{HEADER}\n1,EUR,A-1,Zo").into_bytes();
    bytes.push(0xc3);
    assert!(refused(&bytes).contains("breaks off within a character"));
}

#[test]
fn rows_with_another_separator_than_the_header_say_so() {
    for (header, row) in [(";", ","), (",", ";"), ("\t", ","), (",", "\t"), (";", "\t")] {
        let text = format!("{}\n{}\n", HEADER.replace(',', header), ROW.replace(',', row));
        let message = &wrong(&text)[0].2;
        assert!(
            message.contains("use one separator"),
            "{header:?} {row:?}: {message}"
        );
    }
    let decimal_commas = format!("{HEADER}\n12,50;EUR;A;Ada;x\n");
    assert_eq!(
        wrong(&decimal_commas)[0].2,
        "The header is separated by commas, and this row by semicolons: use one separator in the whole file."
    );
    let cut = wrong(&format!("{HEADER}\n{ROW}\n1"));
    assert_eq!(
        cut[0].2,
        "This row has 1 cell, and the header has 5: the row, or the file, was cut."
    );
}

#[test]
fn a_quote_that_swallows_rows_is_refused_where_it_stands() {
    let text = format!("{HEADER}\n1,EUR,A-1,\"Ada,\n2,EUR,A-2,\"Bob\",\n3,EUR,A-3,Eve,\n");
    let file = open(&text).unwrap();
    let rows: Vec<SourceRow> = file.rows().collect();
    assert_eq!(rows.len(), 1, "nothing after it can be told apart");
    let wrong = rows[0].payment.as_ref().unwrap_err();
    assert_eq!(
        (wrong[0].row, wrong[0].column.as_deref()),
        (2, Some("recipient_name"))
    );
}

#[test]
fn a_delimiter_in_a_cell_needs_quotation_marks() {
    let wrong = wrong(&format!("{HEADER}\n1,EUR,A-1,Lovelace, Ada,x\n"));
    assert!(wrong[0].2.contains("needs quotation marks"), "{wrong:?}");
    assert_eq!(
        read(&format!("{HEADER}\n1,EUR,A-1,Ada,x,,\n")).len(),
        1,
        "empty cells at the end"
    );
}

#[test]
fn another_encoding_is_named_with_its_place() {
    let mut bytes = format!("{HEADER}\n{ROW}\n1,EUR,A-1,\"M").into_bytes();
    bytes.extend_from_slice(b"\xfcller\",\n");
    let told = refused(&bytes);
    assert!(told.contains("probably in Windows-1252"), "{told}");
    assert!(told.contains("row 3, column recipient_name"), "{told}");
    let mut in_header = b"Betr\xe4ge,".to_vec();
    in_header.extend_from_slice(HEADER.as_bytes());
    assert!(refused(&in_header).contains("row 1"), "{}", refused(&in_header));
}

#[test]
fn what_is_no_text_is_in_no_encoding() {
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\0\0\0\x01\0\x08\x06\0\0\0";
    let jpeg = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01";
    let zeros = [&b"BM"[..], &[0; 300], &[0xff; 30]].concat();
    let mixed: Vec<u8> = (1..=200).rev().collect();
    for bytes in [&png[..], &jpeg[..], &zeros[..], &mixed[..]] {
        let told = refused(bytes);
        assert!(
            told.contains("not text") && told.contains("as CSV in UTF-8"),
            "{told}"
        );
    }
}

#[test]
fn files_of_other_kinds_are_named_with_the_remedy() {
    let utf16 = |mark: &[u8]| -> Vec<u8> {
        let units = HEADER.encode_utf16().flat_map(u16::to_le_bytes);
        mark.iter().copied().chain(units).collect()
    };
    for (bytes, told) in [
        (utf16(&[0xff, 0xfe]), "UTF-16"),
        (utf16(&[]), "UTF-16"),
        (b"PK\x03\x04\x14\x00xl/workbook.xml".to_vec(), "(.xlsx)"),
        (
            b"PK\x03\x04mimetypeapplication/vnd.oasis.opendocument.spreadsheet".to_vec(),
            "(.ods)",
        ),
        (b"PK\x03\x04salaries.csv".to_vec(), "(zip)"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(), "(.xls)"),
        (b"\x1f\x8b\x08".to_vec(), "(gzip)"),
        (b"%PDF-1.7".to_vec(), "a PDF document"),
        (b"{\"payouts\": []}".to_vec(), "JSON"),
        (b"<html>".to_vec(), "HTML"),
    ] {
        let refused = refused(&bytes);
        assert!(refused.contains(told), "{refused}");
    }
    assert!(refused(b"PK\x03\x04xl/").contains("save the sheet as CSV in UTF-8"));
}

#[test]
fn a_file_without_payouts_says_so() {
    assert_eq!(refused(b""), FileError::Empty.to_string());
    assert_eq!(refused(b"\xef\xbb\xbf \r\n"), FileError::Empty.to_string());
    assert_eq!(
        refused(format!("{HEADER}\n\n,,,,\n").as_bytes()),
        FileError::NoRows.to_string()
    );
}

#[test]
fn nul_characters_are_refused_by_cell() {
    let wrong = wrong(&format!("{HEADER}\n1,EUR,A\0B,Ada,\n"));
    assert_eq!((wrong[0].0, wrong[0].1.as_str()), (2, "recipient_account"));
}

#[test]
fn a_hundred_thousand_rows_are_read_and_one_more_is_refused() {
    let row = format!("{ROW}\n");
    let text = format!("{HEADER}\n{}", row.repeat(100_000));
    assert_eq!(
        open(&text)
            .unwrap()
            .rows()
            .filter(|row| row.payment.is_ok())
            .count(),
        100_000
    );
    let more = open(&format!("{text}{row}{row}")).unwrap();
    let last = more.rows().last().unwrap();
    assert_eq!(last.number, 100_002);
    assert!(last.payment.unwrap_err()[0].message.contains("100,000 payouts"));
}

#[test]
fn a_file_beyond_32_mib_is_refused() {
    assert_eq!(
        refused(&vec![b'a'; MOST_BYTES + 1]),
        FileError::TooLarge.to_string()
    );
}

proptest::proptest! {
    #[test]
    fn no_file_makes_it_panic(text in "(amount|currency|recipient_account|recipient_name|,|;|\n|\"|1|=|\r|\u{e4}| ){0,60}") {
        if let Ok(file) = open(&text) {
            let _ = file.rows().count();
        }
    }

    #[test]
    fn a_file_reads_the_same_every_time(cells in proptest::collection::vec("[a-z0-9 ]{0,6}", 4..=4)) {
        let text = format!("amount,currency,recipient_account,recipient_name\n{}\n", cells.join(","));
        if let Ok(file) = open(&text) {
            let (one, other): (Vec<_>, Vec<_>) = (file.rows().collect(), file.rows().collect());
            proptest::prop_assert_eq!(one, other);
        }
    }
}

#[test]
fn a_row_may_name_a_stored_recipient_and_allow_a_duplicate() {
    let id = "019ac4a5-0000-7000-8000-000000000001";
    let text = format!("amount,currency,Recipient ID,allow_duplicate\n1,EUR,{id},TRUE\n2,EUR,{id},\n");
    let file = open(&text).unwrap();
    assert!(file.may_name_recipients());
    let rows: Vec<_> = file.rows().map(|row| row.payment.unwrap()).collect();
    assert!(
        rows.iter()
            .all(|row| row.recipient == RowRecipient::Stored(id.parse().unwrap()))
    );
    assert_eq!((rows[0].allow_duplicate, rows[1].allow_duplicate), (true, false));
    assert!(!open(&format!("{HEADER}\n{ROW}\n")).unwrap().may_name_recipients());
    let mixed = "amount,currency,recipient_id,recipient_account,recipient_name,allow_duplicate";
    let text = format!("{mixed}\n1,EUR,7,,,\n1,EUR,{id},A,,\n1,EUR,,A,N,yes\n1,EUR,,,,\n1,EUR,,A,N,\n");
    let places: Vec<_> = wrong(&text)
        .into_iter()
        .map(|(row, column, _)| (row, column))
        .collect();
    let expected = [
        (2, "recipient_id"),
        (3, "recipient_id"),
        (4, "allow_duplicate"),
        (5, "recipient_account"),
        (5, "recipient_name"),
    ];
    assert_eq!(places, expected.map(|(row, column)| (row, column.to_owned())));
}
