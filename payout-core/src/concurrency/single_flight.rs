//! Makes one read for all callers that ask the same question at the same time.
//!
//! A question that arrives while the same question is being answered waits for the next answer, together with others
//! like it. So every answer comes from a read that began after the question arrived, and every caller sees its own
//! earlier writes. Different questions never wait for each other.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::concurrency::batcher::for_each;
use crate::ports::RepositoryError;

type Answer<A> = Result<A, RepositoryError>;
type Done<A> = Pin<Box<dyn Future<Output = Answer<A>> + Send>>;
type Waiting<A> = Vec<oneshot::Sender<Answer<A>>>;

/// A handle for asking. All clones share the running reads.
pub(crate) struct SingleFlight<Q, A>(Arc<Shared<Q, A>>);

struct Shared<Q, A> {
    work: Box<dyn Fn(Q) -> Done<A> + Send + Sync>,
    /// The callers that wait for the next answer, for each question that is being answered.
    waiting: Mutex<HashMap<Q, Waiting<A>>>,
}

impl<Q, A> Clone for SingleFlight<Q, A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<Q, A> SingleFlight<Q, A>
where
    Q: Clone + Eq + Hash + Send + Sync + 'static,
    A: Clone + Send + 'static,
{
    pub(crate) fn new(work: impl Fn(Q) -> Done<A> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Shared {
            work: Box::new(work),
            waiting: Mutex::default(),
        }))
    }

    /// Asks together with all other callers of the same question.
    pub(crate) async fn ask(&self, question: Q) -> Answer<A> {
        let (reply, answer) = oneshot::channel();
        let is_first = match self.0.waiting().entry(question.clone()) {
            Entry::Occupied(mut waiting) => {
                waiting.get_mut().push(reply);
                false
            }
            Entry::Vacant(nobody) => {
                nobody.insert(vec![reply]);
                true
            }
        };
        if is_first {
            tokio::spawn(self.0.clone().answer(question));
        }
        answer
            .await
            .unwrap_or_else(|gone| Err(RepositoryError::Unavailable(Box::new(gone))))
    }
}

impl<Q, A> Shared<Q, A>
where
    Q: Clone + Eq + Hash + Send + Sync + 'static,
    A: Clone + Send + 'static,
{
    fn waiting(&self) -> MutexGuard<'_, HashMap<Q, Waiting<A>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers the question until no caller waits for it.
    async fn answer(self: Arc<Self>, question: Q) {
        while let Some(waiting) = self.next(&question) {
            // In a task of its own, so that a panic in a repository does not leave callers waiting.
            let done = tokio::spawn((self.work)(question.clone())).await;
            match done.unwrap_or_else(|gone| Err(RepositoryError::Unavailable(Box::new(gone)))) {
                Ok(answer) => {
                    for reply in waiting {
                        let _ = reply.send(Ok(answer.clone()));
                    }
                }
                Err(error) => {
                    let errors = for_each(waiting.len(), error);
                    for (reply, error) in waiting.into_iter().zip(errors) {
                        let _ = reply.send(error);
                    }
                }
            }
        }
    }

    /// Takes the waiting callers, or removes the question if no caller waits.
    fn next(&self, question: &Q) -> Option<Waiting<A>> {
        let mut all = self.waiting();
        let waiting = all.get_mut(question).map(std::mem::take).unwrap_or_default();
        if waiting.is_empty() {
            all.remove(question);
            return None;
        }
        Some(waiting)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    /// Answers after a delay with the number of questions so far. Question 0 panics, and question 1 is refused.
    fn counting() -> SingleFlight<u8, usize> {
        let asked = Arc::new(AtomicUsize::new(0));
        SingleFlight::new(move |question| {
            let asked = asked.clone();
            Box::pin(async move {
                let answer = asked.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
                assert!(question != 0, "as planned");
                if question == 1 {
                    return Err(RepositoryError::Refused("as planned".into()));
                }
                Ok(answer)
            })
        })
    }

    async fn ask_after(reads: &SingleFlight<u8, usize>, question: u8, delay_ms: u64) -> Answer<usize> {
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        reads.ask(question).await
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_during_a_read_gets_the_next_one() {
        let reads = counting();
        let (first, second, third) = tokio::join!(
            ask_after(&reads, 7, 0),
            ask_after(&reads, 7, 1),
            ask_after(&reads, 7, 2)
        );
        assert_eq!((first.unwrap(), second.unwrap(), third.unwrap()), (1, 2, 2));
        assert_eq!(reads.ask(7).await.unwrap(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn different_questions_do_not_wait_for_each_other() {
        let reads = counting();
        let (one, other) = tokio::join!(ask_after(&reads, 7, 0), ask_after(&reads, 8, 0));
        assert_eq!(one.unwrap() + other.unwrap(), 1 + 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_reaches_everybody_who_waits() {
        let reads = counting();
        for question in [0, 1] {
            let (first, second, third) = tokio::join!(
                ask_after(&reads, question, 0),
                ask_after(&reads, question, 1),
                ask_after(&reads, question, 2)
            );
            assert!(first.is_err() && second.is_err() && third.is_err());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_kept_of_what_was_answered() {
        let reads = counting();
        let _ = tokio::join!(ask_after(&reads, 7, 0), ask_after(&reads, 0, 0));
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(reads.0.waiting().is_empty());
    }
}
