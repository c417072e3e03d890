//! Many operators and a worker change one payout at the same time.

use payout_tests::app::path_of;
use payout_tests::body::payout;
use payout_tests::store::Backend;
use serde_json::json;

use crate::support::{on_each_backend, paying};

on_each_backend!(of_64_callers_and_a_claim_one_wins_and_the_others_are_told_so);

const ROUNDS: usize = 12;

async fn of_64_callers_and_a_claim_one_wins_and_the_others_are_told_so(backend: Backend) {
    let app = paying(backend).await;
    for _ in 0..ROUNDS {
        let path = path_of(&app.create(payout()).await);
        let (cancel, retry) = (format!("{path}cancel/"), format!("{path}retry/"));
        let calls = (0..64).map(|number| {
            let call = match number % 4 {
                0 => app
                    .patch(&path)
                    .json(json!({"description": format!("edit {number}")})),
                1 => app.delete(&path),
                2 => app.post(&cancel),
                _ => app.post(&retry),
            };
            async move { (number % 4, call.await) }
        });
        let replies = futures::future::join_all(calls).await;
        let answered = |kind: usize, status: u16| {
            replies
                .iter()
                .filter(|(one, reply)| *one == kind && reply.status == status)
                .count()
        };
        for (kind, reply) in &replies {
            let clean: &[u16] = match kind {
                0 | 2 => &[200, 404, 409],
                1 => &[204, 404, 409],
                _ => &[404, 409],
            };
            assert!(clean.contains(&reply.status), "{reply:?}");
            if reply.status >= 400 {
                reply.problem(reply.status);
            }
        }

        let (cancels, deletes) = (answered(2, 200), answered(1, 204));
        assert!(deletes <= 1, "deleted {deletes} times");
        if deletes == 1 {
            app.get(&path).await.problem(404);
            continue;
        }
        let status = if cancels > 0 { "cancelled" } else { "completed" };
        app.until(&path, status).await;
        let events = app.events(&path).await;
        let edits = events.iter().filter(|event| *event == "edited").count();
        assert_eq!(edits, answered(0, 200), "{events:?}");
        let ends: &[&str] = if cancels > 0 {
            &["cancelled"]
        } else {
            &["claimed", "completed"]
        };
        assert_eq!(events[1 + edits..], *ends, "{events:?}");
    }
}
