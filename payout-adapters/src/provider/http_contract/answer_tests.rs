//! Tests of the provider contract, row by row, and of answers that come close to a row without matching it.

use std::time::Duration;

use super::*;

const WAIT: Duration = Duration::from_secs(7);

fn received(status: u16, body: &str) -> Received {
    Received {
        status,
        retry_after: None,
        body: Body::Whole(body.as_bytes().to_vec()),
    }
}

fn submitted(status: u16, body: &str) -> Result<ProviderAnswer, ProcessorError> {
    of_submission(&received(status, body))
}

fn reference(text: &str) -> ProviderReference {
    ProviderReference::new(text).unwrap()
}

#[track_caller]
fn assert_unknown(status: u16, body: &str) {
    let submitted = submitted(status, body);
    assert!(
        matches!(submitted, Err(ProcessorError::Unknown { .. })),
        "{status} {body}: {submitted:?}"
    );
    let looked_up = of_look_up(&received(status, body));
    assert!(
        matches!(looked_up, Err(ProcessorError::Unknown { .. })),
        "look-up {status} {body}: {looked_up:?}"
    );
}

#[test]
fn completed_with_a_reference_is_paid() {
    for status in [200, 201] {
        let answer = submitted(
            status,
            r#" {"status": "completed", "reference": "tr_1", "fee": 3, "code": null} "#,
        );
        assert_eq!(
            answer.unwrap(),
            ProviderAnswer::Paid {
                reference: reference("tr_1")
            }
        );
    }
}

#[test]
fn pending_with_a_reference_is_accepted() {
    for status in [200, 201, 202] {
        let answer = submitted(status, r#"{"reference":"tr_1","status":"pending"}"#);
        assert_eq!(
            answer.unwrap(),
            ProviderAnswer::Accepted {
                reference: reference("tr_1"),
                look_again: None,
            }
        );
    }
}

#[test]
fn failed_with_code_and_message_is_declined() {
    let declined = ProviderAnswer::Declined(Failure::new("no_funds", "Not enough."));
    for status in [200, 201] {
        let body = r#"{"status":"failed","code":"no_funds","message":"Not enough.","reference":null}"#;
        assert_eq!(submitted(status, body).unwrap(), declined);
    }
    for status in [400, 402, 422] {
        assert_eq!(
            submitted(status, r#"{"code":"no_funds","message":"Not enough."}"#).unwrap(),
            declined
        );
        let problem = r#"{"title":"x","status":422,"code":"no_funds","message":"Not enough."}"#;
        assert_eq!(submitted(status, problem).unwrap(), declined);
        let failed = r#"{"status":"failed","code":"no_funds","message":"Not enough."}"#;
        assert_eq!(submitted(status, failed).unwrap(), declined);
    }
}

#[test]
fn a_declined_message_may_be_empty_and_its_code_may_not() {
    let body = |code: &str| format!(r#"{{"status":"failed","code":"{code}","message":""}}"#);
    assert!(matches!(
        submitted(200, &body("x")),
        Ok(ProviderAnswer::Declined(_))
    ));
    for code in ["", "  ", r"\u0000\n"] {
        assert_unknown(200, &body(code));
        assert_unknown(422, &body(code));
    }
}

#[test]
fn a_refusal_for_now_says_nothing_of_the_payment_whatever_its_body() {
    let definite = r#"{"status":"failed","code":"x","message":"y"}"#;
    for status in [401, 403, 429] {
        for retry_after in [None, Some(WAIT)] {
            let received = Received {
                retry_after,
                ..received(status, definite)
            };
            let errors = [
                of_submission(&received).unwrap_err(),
                of_look_up(&received).unwrap_err(),
            ];
            for error in errors {
                assert!(matches!(error, ProcessorError::Refused { .. }), "{status}");
                assert_eq!(error.retry_after(), retry_after);
            }
        }
    }
}

#[test]
fn a_request_that_a_gateway_may_have_passed_on_is_not_now_and_may_be_paid_whatever_the_body() {
    let definite = r#"{"status":"failed","code":"x","message":"y"}"#;
    for status in [408, 409, 425] {
        for retry_after in [None, Some(WAIT)] {
            let received = Received {
                retry_after,
                ..received(status, definite)
            };
            for error in [
                of_submission(&received).unwrap_err(),
                of_look_up(&received).unwrap_err(),
            ] {
                assert!(matches!(error, ProcessorError::Overloaded { .. }), "{status}");
                assert!(error.is_not_now() && error.may_have_arrived(), "{status}");
                assert_eq!(error.retry_after(), Some(retry_after.unwrap_or_default()));
            }
        }
    }
}

#[test]
fn any_other_status_is_unknown_whatever_its_body() {
    let known = [200, 201, 202, 400, 401, 402, 403, 404, 408, 409, 422, 425, 429];
    let bodies = [
        r#"{"status":"completed","reference":"tr_1"}"#,
        r#"{"status":"failed","code":"x","message":"y"}"#,
        r#"{"code":"x","message":"y"}"#,
    ];
    for status in (100..=599).filter(|status| !known.contains(status)) {
        for body in bodies {
            assert_unknown(status, body);
        }
    }
}

#[test]
fn a_503_that_asks_for_patience_is_not_now_and_may_have_been_passed_on() {
    let patient = |status| Received {
        retry_after: Some(WAIT),
        ..received(status, "")
    };
    for error in [
        of_submission(&patient(503)).unwrap_err(),
        of_look_up(&patient(503)).unwrap_err(),
    ] {
        assert!(matches!(error, ProcessorError::Overloaded { .. }));
        assert_eq!(error.retry_after(), Some(WAIT));
        assert!(error.is_not_now() && error.may_have_arrived());
    }
    let error = of_submission(&patient(502)).unwrap_err();
    assert!(matches!(error, ProcessorError::Unknown { .. }) && !error.is_not_now());
    assert_eq!(error.retry_after(), Some(WAIT));
}

#[test]
fn a_byte_order_mark_before_the_answer_is_ignored_and_anywhere_else_it_is_not() {
    const BOM: &str = "\u{feff}";
    let paid = r#"{"status":"completed","reference":"tr_1"}"#;
    let answer = ProviderAnswer::Paid {
        reference: reference("tr_1"),
    };
    assert_eq!(submitted(200, &format!("{BOM}{paid}")).unwrap(), answer);
    assert_eq!(submitted(201, &format!("{BOM}\r\n {paid}")).unwrap(), answer);
    let found = of_look_up(&received(200, &format!("{BOM}{paid}")));
    assert_eq!(found.unwrap(), Some(answer));
    let declined = submitted(422, &format!(r#"{BOM}{{"code":"x","message":"y"}}"#));
    assert_eq!(
        declined.unwrap(),
        ProviderAnswer::Declined(Failure::new("x", "y"))
    );
    for body in [
        format!("{BOM}{BOM}{paid}"),
        format!(" {BOM}{paid}"),
        format!("{paid}{BOM}"),
        format!("{BOM}[{paid}]"),
        BOM.to_owned(),
    ] {
        assert_unknown(200, &body);
    }
    let utf_16 = Received {
        body: Body::Whole(b"\xFF\xFE{\0}\0".to_vec()),
        ..received(200, "")
    };
    assert!(matches!(
        of_submission(&utf_16),
        Err(ProcessorError::Unknown { .. })
    ));
}

#[test]
fn not_found_is_unknown_for_a_submission_and_never_received_for_a_look_up() {
    let body = r#"{"code":"not_found","message":"No such thing."}"#;
    assert!(matches!(
        submitted(404, body),
        Err(ProcessorError::Unknown { .. })
    ));
    assert_eq!(of_look_up(&received(404, body)).unwrap(), None);
    let unreadable = Received {
        status: 404,
        retry_after: None,
        body: Body::Unreadable("broken off"),
    };
    assert_eq!(of_look_up(&unreadable).unwrap(), None);
}

#[test]
fn a_look_up_has_the_same_bodies() {
    let look_up = |body: &str| of_look_up(&received(200, body)).unwrap();
    let paid = look_up(r#"{"status":"completed","reference":"tr_1"}"#);
    assert_eq!(
        paid,
        Some(ProviderAnswer::Paid {
            reference: reference("tr_1")
        })
    );
    let accepted = look_up(r#"{"status":"pending","reference":"tr_1"}"#);
    assert_eq!(
        accepted,
        Some(ProviderAnswer::Accepted {
            reference: reference("tr_1"),
            look_again: None,
        })
    );
    let declined = look_up(r#"{"status":"failed","code":"x","message":"y"}"#);
    assert_eq!(declined, Some(ProviderAnswer::Declined(Failure::new("x", "y"))));
}

#[test]
fn a_refused_question_declines_no_payment() {
    for status in [400, 402, 422] {
        let answer = of_look_up(&received(status, r#"{"code":"x","message":"y"}"#));
        assert!(matches!(answer, Err(ProcessorError::Unknown { .. })), "{status}");
    }
}

#[test]
fn a_202_with_a_decision_contradicts_itself() {
    assert_unknown(202, r#"{"status":"completed","reference":"tr_1"}"#);
    assert_unknown(202, r#"{"status":"failed","code":"x","message":"y"}"#);
}

#[test]
fn a_4xx_that_says_it_was_paid_contradicts_itself() {
    for status in ["completed", "pending", "x", ""] {
        assert_unknown(
            422,
            &format!(r#"{{"status":"{status}","reference":"tr","code":"x","message":"y"}}"#),
        );
    }
}

#[test]
fn a_missing_or_empty_reference_is_unknown() {
    for status in ["completed", "pending"] {
        for rest in [
            "",
            r#","reference":null"#,
            r#","reference":"""#,
            r#","reference":" ""#,
            r#","reference":7"#,
        ] {
            assert_unknown(200, &format!(r#"{{"status":"{status}"{rest}}}"#));
        }
    }
}

#[test]
fn what_is_not_one_whole_object_of_the_contract_is_unknown() {
    let bodies = [
        "",
        " ",
        "null",
        "true",
        "OK",
        "<html>completed</html>",
        "{}",
        r#""completed""#,
        r#"["completed","tr_1"]"#,
        r#"["completed",{"reference":"tr_1"}]"#,
        r#"["x","y"]"#,
        r#"[{"status":"completed","reference":"tr_1"}]"#,
        r#"{"status":"completed","reference":"tr_1""#,
        r#"{"status":"completed","reference":"tr_1"}{"#,
        r#"{"status":"completed","reference":"tr_1"} trailing"#,
        r#"{"status":"completed","status":"failed","reference":"tr_1","code":"x","message":"y"}"#,
        r#"{"status":"completed","reference":"tr_1","reference":"tr_2"}"#,
        r#"{"code":"x","code":"y","message":"y"}"#,
        r#"{"code":"x"}"#,
        r#"{"code":7,"message":"y"}"#,
        r#"{"message":"y"}"#,
        r#"{"status":"failed","code":"x"}"#,
        r#"{"status":"Completed","reference":"tr_1"}"#,
        r#"{"status":"completed ","reference":"tr_1"}"#,
        r#"{"status":0,"reference":"tr_1"}"#,
        r#"{"status":"paid","reference":"tr_1"}"#,
        r#"{'status':'completed','reference':'tr_1'}"#,
    ];
    for body in bodies {
        for status in [200, 201, 202, 400, 402, 422] {
            assert_unknown(status, body);
        }
    }
    let not_utf8 = Received {
        body: Body::Whole(b"{\"status\":\"completed\",\"reference\":\"\xff\"}".to_vec()),
        ..received(200, "")
    };
    assert!(of_submission(&not_utf8).is_err());
    assert_unknown(200, &"[".repeat(60_000));
    assert_unknown(200, &r#"{"a":"#.repeat(10_000));
}

#[test]
fn a_body_that_is_no_text_is_unknown_wherever_it_breaks() {
    for (status, body) in [
        (
            200,
            &b"{\"status\": \"completed\", \"reference\": \"r\", \"extra\": \"\xff\"}"[..],
        ),
        (
            422,
            &b"{\"code\": \"c\", \"message\": \"m\", \"extra\": \"\xff\"}"[..],
        ),
    ] {
        let received = Received {
            body: Body::Whole(body.to_vec()),
            ..received(status, "")
        };
        assert!(matches!(
            of_submission(&received),
            Err(ProcessorError::Unknown { .. })
        ));
    }
}

#[test]
fn a_body_that_was_broken_off_is_unknown_where_it_matters() {
    for status in [200, 201, 202, 400, 402, 422, 500] {
        let received = Received {
            status,
            retry_after: None,
            body: Body::Unreadable("broken off"),
        };
        assert!(
            matches!(of_submission(&received), Err(ProcessorError::Unknown { .. })),
            "{status}"
        );
    }
    let received = Received {
        status: 429,
        retry_after: Some(WAIT),
        body: Body::Unreadable("broken off"),
    };
    assert!(matches!(
        of_submission(&received),
        Err(ProcessorError::Refused { .. })
    ));
}

#[test]
fn no_error_repeats_the_body() {
    for status in [200, 202, 400, 404, 422, 429, 500, 503] {
        let error = submitted(status, "hunter2").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{status}");
    }
}

#[test]
fn what_an_answer_says_of_the_payment_is_taken() {
    let said = submitted(
        200,
        r#"{"status":"completed","reference":"tr_1","amount":"10.50","currency":"USD","digest":"ab"}"#,
    )
    .unwrap();
    let payment = said.payment().expect("it says something").clone();
    assert_eq!(
        payment,
        payout_core::provider::ReportedPayment::new(Some("10.50"), Some("USD"), Some("ab")).unwrap()
    );
    assert_eq!(
        *said.outcome(),
        ProviderAnswer::Paid {
            reference: reference("tr_1")
        }
    );
    for body in [
        r#"{"status":"failed","code":"x","message":"y","amount":10.5}"#,
        r#"{"status":"pending","reference":"r","digest":"ab"}"#,
    ] {
        assert!(submitted(200, body).unwrap().payment().is_some(), "{body}");
    }
    let nothing = r#"{"status":"completed","reference":"r","amount":null,"currency":null}"#;
    assert_eq!(submitted(200, nothing).unwrap().payment(), None);
    for amount in [r#""ten""#, "true", "[]", "{}", r#""""#] {
        assert_unknown(
            200,
            &format!(r#"{{"status":"completed","reference":"r","amount":{amount}}}"#),
        );
    }
}

#[test]
fn an_amount_is_taken_as_it_is_written_and_never_rounded() {
    let answered = |amount: &str| {
        let body = format!(r#"{{"status":"completed","reference":"r","amount":{amount}}}"#);
        submitted(200, &body).map(|answer| answer.payment().and_then(|payment| payment.amount))
    };
    for (amount, expected) in [
        (r#""10.50""#, "10.50"),
        (" 10.50 ", "10.50"),
        ("10", "10"),
        ("1.05e1", "10.5"),
        ("10.5000000000000000001", "10.5000000000000000001"),
        ("9999999999999999.99", "9999999999999999.99"),
    ] {
        assert_eq!(
            answered(amount).unwrap(),
            Some(expected.parse().unwrap()),
            "{amount}"
        );
    }
    for amount in [
        r#""1_0.5_0""#,
        r#""1.05e1""#,
        r#"" 10.50""#,
        r#""+10.50""#,
        r#""10.5000000000000000000000000000000000049""#,
        "10.5000000000000000000000000000000000049",
        "1e400",
    ] {
        assert!(
            matches!(answered(amount), Err(ProcessorError::Unknown { .. })),
            "{amount}"
        );
    }
    let body = r#"{"status":"returned","reference":"r","code":"x","message":"y","returned_amount":5.2500000000000000001}"#;
    let ProviderAnswer::Returned(returned) = submitted(200, body).unwrap() else {
        panic!()
    };
    assert_eq!(returned.amount, Some("5.2500000000000000001".parse().unwrap()));
}

#[test]
fn a_returned_payment_has_its_reason_and_may_have_its_time_and_its_part() {
    let body = r#"{"status":"returned","reference":"tr_1","code":"closed","message":"Closed.","reason":"account_closed",
        "returned_amount":"5.25","at":"2026-11-24T09:00:00Z","amount":"10.50"}"#;
    let answer = submitted(200, body).unwrap();
    let returned = ProviderAnswer::Returned(PaymentReturn {
        reference: Some(reference("tr_1")),
        reason: Failure::new("closed", "Closed.").because(DeclineCode::AccountClosed),
        at: Some("2026-11-24T09:00:00Z".parse().unwrap()),
        amount: Some("5.25".parse().unwrap()),
    });
    assert_eq!(*answer.outcome(), returned);
    assert!(
        answer.payment().is_some(),
        "the amount is the payment's, not the part that came back"
    );
    assert_eq!(of_look_up(&received(201, body)).unwrap(), Some(answer));
    let least = r#"{"status":"returned","reference":"tr_1","code":"x","message":""}"#;
    let ProviderAnswer::Returned(returned) = submitted(200, least).unwrap() else {
        panic!()
    };
    assert_eq!(
        (returned.at, returned.amount, returned.reason.reason()),
        (None, None, None)
    );
}

#[test]
fn a_return_that_lacks_something_is_unknown() {
    for rest in [
        r#""code":"x","message":"y""#,
        r#""reference":"","code":"x","message":"y""#,
        r#""reference":"r","message":"y""#,
        r#""reference":"r","code":"","message":"y""#,
        r#""reference":"r","code":"x""#,
        r#""reference":"r","code":"x","message":"y","at":"yesterday""#,
        r#""reference":"r","code":"x","message":"y","returned_amount":"all""#,
        r#""reference":"r","code":"x","message":"y","returned_amount":0"#,
        r#""reference":"r","code":"x","message":"y","returned_amount":"-1""#,
        r#""reference":"r","code":"x","message":"y","returned_amount":"1_0""#,
        r#""reference":"r","code":"x","message":"y","returned_amount":"0.00000000000000000000000000001""#,
        r#""reference":"r","code":"x","message":"y","returned_amount":1,"returned_amount":2"#,
    ] {
        assert_unknown(200, &format!(r#"{{"status":"returned",{rest}}}"#));
    }
    let whole = r#"{"status":"returned","reference":"r","code":"x","message":"y"}"#;
    for status in [202, 400, 402, 422] {
        assert_unknown(status, whole);
    }
}

#[test]
fn a_payment_that_waits_says_for_what_and_whether_its_key_is_spent() {
    for status in [200, 201, 400, 402, 422] {
        for (reason, expected) in [
            ("funds", WaitReason::Funds),
            ("provider_limit", WaitReason::ProviderLimit),
        ] {
            for (rest, is_spent) in [
                ("", false),
                (r#","spent":false"#, false),
                (r#","spent":true"#, true),
            ] {
                let body = format!(r#"{{"status":"waiting","reason":"{reason}"{rest}}}"#);
                let answer = submitted(status, &body).unwrap();
                assert!(
                    matches!(
                        &answer,
                        ProviderAnswer::Waiting { reason, key_is_spent, .. }
                            if *reason == expected && *key_is_spent == is_spent
                    ),
                    "{status} {body}: {answer:?}"
                );
            }
        }
    }
}

#[test]
fn a_wait_for_anything_else_is_unknown_and_in_a_look_up_only_a_2xx_is_one() {
    for body in [
        r#"{"status":"waiting"}"#,
        r#"{"status":"waiting","reason":"provider"}"#,
        r#"{"status":"waiting","reason":"Funds"}"#,
        r#"{"status":"waiting","reason":"funds","spent":"true"}"#,
        r#"{"status":"waiting","reason":"funds","spent":null}"#,
    ] {
        for status in [200, 402] {
            assert_unknown(status, body);
        }
    }
    let waiting = r#"{"status":"waiting","reason":"funds"}"#;
    assert_unknown(202, waiting);
    assert!(matches!(
        of_look_up(&received(200, waiting)),
        Ok(Some(ProviderAnswer::Waiting { .. }))
    ));
    for status in [400, 402, 422] {
        let refused = of_look_up(&received(status, waiting));
        assert!(matches!(refused, Err(ProcessorError::Unknown { .. })), "{status}");
    }
}

#[test]
fn a_reason_is_taken_if_it_is_one_of_the_services_own_and_ignored_otherwise() {
    let declined = |reason: &str| {
        let body = format!(r#"{{"status":"failed","code":"x","message":"y","reason":{reason}}}"#);
        submitted(200, &body).unwrap()
    };
    let plain = Failure::new("x", "y");
    assert_eq!(
        declined(r#""blocked""#),
        ProviderAnswer::Declined(plain.clone().because(DeclineCode::Blocked))
    );
    for reason in [r#""no_luck""#, "7", "null", "{}"] {
        assert_eq!(
            declined(reason),
            ProviderAnswer::Declined(plain.clone()),
            "{reason}"
        );
    }
}
