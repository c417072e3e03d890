//! The operators' view of each provider: the calls to it, and its balances.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::ports::{Clock, Processor, ProviderRepository, RepositoryError};
use crate::provider::{Balance, ProviderCalls, ProviderName};
use crate::usecase::providers::ProvidersError;

/// The time for which balances are not asked for again, and the time limit of asking.
const FRESH_FOR: Duration = Duration::from_secs(30);
const ASK_WITHIN: Duration = Duration::from_secs(3);
/// The time of which the calls are shown, and the time within which a provider that answered no call is failing.
const HOUR: Duration = Duration::from_secs(60 * 60);
const RECENTLY: Duration = Duration::from_secs(2 * 60);

/// The balances of a provider, as far as they are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownBalances {
    /// The provider told them within the last half minute.
    Told(Vec<Balance>),
    /// The provider does not tell them.
    NotTold,
    /// The provider gave no reliable answer.
    Unavailable,
}

/// The balances that one provider tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldBalances {
    /// The provider; absent for the only provider of a program that names none.
    pub provider: Option<ProviderName>,
    /// The balances.
    pub balances: Vec<Balance>,
}

/// The calls to a provider.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallsOfHour {
    /// The number of calls of the last hour.
    pub calls: u64,
    /// The number of those without a reliable answer.
    pub errors: u64,
    /// True if there were calls within the last two minutes, and none was answered.
    pub is_failing: bool,
}

/// The operators' view of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderActivity {
    /// The provider; absent for the only provider of a program that names none.
    pub provider: Option<ProviderName>,
    /// The kind.
    pub kind: &'static str,
    /// The calls of all workers.
    pub calls: CallsOfHour,
    /// The balances.
    pub balances: KnownBalances,
}

/// A provider whose activity is watched.
pub struct WatchedProvider {
    name: Option<ProviderName>,
    kind: &'static str,
    processor: Arc<dyn Processor>,
    /// The latest answer, and when it was asked for. Held while asking, so that one caller asks for all.
    asked: Mutex<Option<(Duration, KnownBalances)>>,
}

impl WatchedProvider {
    /// Watches a provider; the only one of a program that names none has no name.
    pub fn new(name: Option<ProviderName>, kind: &'static str, processor: Arc<dyn Processor>) -> Arc<Self> {
        Arc::new(Self {
            name,
            kind,
            processor,
            asked: Mutex::new(None),
        })
    }

    async fn balances(&self, clock: &dyn Clock) -> KnownBalances {
        let mut asked = self.asked.lock().await;
        let now = clock.monotonic();
        if let Some((at, balances)) = &*asked
            && now.saturating_sub(*at) < FRESH_FOR
        {
            return balances.clone();
        }
        let balances = match tokio::time::timeout(ASK_WITHIN, self.processor.balances()).await {
            Ok(Ok(Some(balances))) => KnownBalances::Told(balances),
            Ok(Ok(None)) => KnownBalances::NotTold,
            Ok(Err(error)) => {
                tracing::debug!(provider = self.name(), %error, "the provider did not tell its balances");
                KnownBalances::Unavailable
            }
            Err(_) => KnownBalances::Unavailable,
        };
        *asked = Some((clock.monotonic(), balances.clone()));
        balances
    }

    fn name(&self) -> Option<&str> {
        self.name.as_ref().map(ProviderName::as_str)
    }
}

/// The use case that shows operators what happens at each provider. Cheap to clone; all clones share the balances.
#[derive(Clone)]
pub struct ProviderWatch {
    watched: Arc<[Arc<WatchedProvider>]>,
    repository: Arc<dyn ProviderRepository>,
    clock: Arc<dyn Clock>,
}

impl ProviderWatch {
    /// Watches these providers.
    pub fn new(
        watched: impl IntoIterator<Item = Arc<WatchedProvider>>,
        repository: Arc<dyn ProviderRepository>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            watched: watched.into_iter().collect(),
            repository,
            clock,
        }
    }

    /// Returns the activity of each provider, in the order of their configuration.
    ///
    /// # Errors
    /// [`ProvidersError::Store`].
    pub async fn activity(&self) -> Result<Vec<ProviderActivity>, ProvidersError> {
        let (calls, balances) = tokio::join!(self.calls(), self.balances());
        let calls = calls?;
        let activity = self.watched.iter().zip(balances).zip(calls);
        Ok(activity
            .map(|((watched, balances), calls)| ProviderActivity {
                provider: watched.name.clone(),
                kind: watched.kind,
                calls,
                balances,
            })
            .collect())
    }

    /// Returns the providers that were called within the last two minutes, by any worker, and answered nothing.
    ///
    /// # Errors
    /// [`ProvidersError::Store`].
    pub async fn failing(&self) -> Result<Vec<ProviderName>, ProvidersError> {
        let recent = self.repository.count_calls(RECENTLY).await?;
        let failing = recent.into_iter().filter(is_failing);
        Ok(failing.filter_map(|calls| calls.provider).collect())
    }

    /// Returns the balances that each provider tells, in the order of their configuration.
    pub async fn told_balances(&self) -> Vec<ToldBalances> {
        let known = self.balances().await.into_iter();
        let told = self
            .watched
            .iter()
            .zip(known)
            .filter_map(|(watched, known)| match known {
                KnownBalances::Told(balances) => Some(ToldBalances {
                    provider: watched.name.clone(),
                    balances,
                }),
                KnownBalances::NotTold | KnownBalances::Unavailable => None,
            });
        told.collect()
    }

    /// Asks all providers at the same time. Asking goes on when the caller does not wait any longer.
    async fn balances(&self) -> Vec<KnownBalances> {
        let mut asking = JoinSet::new();
        for (index, watched) in self.watched.iter().cloned().enumerate() {
            let clock = self.clock.clone();
            asking.spawn(async move { (index, watched.balances(&*clock).await) });
        }
        let mut balances = vec![KnownBalances::Unavailable; self.watched.len()];
        while let Some(asked) = asking.join_next().await {
            if let Ok((index, known)) = asked
                && let Some(place) = balances.get_mut(index)
            {
                *place = known;
            }
        }
        balances
    }

    async fn calls(&self) -> Result<Vec<CallsOfHour>, RepositoryError> {
        let hour = self.repository.count_calls(HOUR).await?;
        let recent = self.repository.count_calls(RECENTLY).await?;
        let of = |watched: &Arc<WatchedProvider>| {
            let find = |counted: &[ProviderCalls]| {
                let mut counted = counted.iter();
                counted.find(|calls| calls.provider == watched.name).cloned()
            };
            let counted = find(&hour);
            CallsOfHour {
                calls: counted.as_ref().map_or(0, |calls| calls.calls),
                errors: counted.as_ref().map_or(0, |calls| calls.errors),
                is_failing: find(&recent).as_ref().is_some_and(is_failing),
            }
        };
        Ok(self.watched.iter().map(of).collect())
    }
}

fn is_failing(recent: &ProviderCalls) -> bool {
    recent.calls > 0 && recent.errors >= recent.calls
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;

    use super::*;
    use crate::ports::{MockProcessor, MockProviderRepository, System};
    use crate::provider::ProcessorError;

    fn balance(available: i64) -> Balance {
        Balance {
            currency: "EUR".parse().unwrap(),
            available: Decimal::from(available),
        }
    }

    fn watch(processors: Vec<(&str, MockProcessor)>, states: MockProviderRepository) -> ProviderWatch {
        let watched = processors
            .into_iter()
            .map(|(name, processor)| WatchedProvider::new(name.parse().ok(), "http", Arc::new(processor)));
        ProviderWatch::new(watched, Arc::new(states), Arc::new(System::default()))
    }

    fn tells(answer: Result<Option<Vec<Balance>>, ProcessorError>) -> MockProcessor {
        let mut processor = MockProcessor::new();
        processor.expect_balances().times(1).return_once(|| answer);
        processor
    }

    fn never_sent() -> ProcessorError {
        ProcessorError::NeverSent {
            why: "away".to_owned(),
        }
    }

    #[tokio::test]
    async fn balances_are_asked_for_once_and_shown_with_the_calls() {
        let mut states = MockProviderRepository::new();
        states.expect_count_calls().returning(|within| {
            let calls = |calls, errors| ProviderCalls {
                provider: "one".parse().ok(),
                calls,
                errors,
            };
            Ok(vec![if within == HOUR { calls(10, 4) } else { calls(3, 3) }])
        });
        let watch = watch(
            vec![
                ("one", tells(Ok(Some(vec![balance(7)])))),
                ("two", tells(Ok(None))),
                ("three", tells(Err(never_sent()))),
            ],
            states,
        );
        for _ in 0..2 {
            let activity = watch.activity().await.unwrap();
            let calls = CallsOfHour {
                calls: 10,
                errors: 4,
                is_failing: true,
            };
            assert_eq!(activity[0].calls, calls);
            assert_eq!(activity[1].calls, CallsOfHour::default());
            let balances: Vec<_> = activity.into_iter().map(|activity| activity.balances).collect();
            let told = KnownBalances::Told(vec![balance(7)]);
            assert_eq!(
                balances,
                [told, KnownBalances::NotTold, KnownBalances::Unavailable]
            );
        }
        let told = ToldBalances {
            provider: "one".parse().ok(),
            balances: vec![balance(7)],
        };
        assert_eq!(watch.told_balances().await, [told]);
        assert_eq!(watch.failing().await.unwrap(), ["one".parse().unwrap()]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_hangs_holds_up_nobody_for_long() {
        struct Hangs;
        #[async_trait::async_trait]
        impl Processor for Hangs {
            async fn submit(
                &self,
                _: &crate::provider::Instruction,
            ) -> Result<crate::provider::ProviderAnswer, ProcessorError> {
                Err(never_sent())
            }
            async fn look_up(
                &self,
                _: &crate::provider::LookUp,
            ) -> Result<crate::provider::LookUpAnswer, ProcessorError> {
                Err(never_sent())
            }
            async fn balances(&self) -> Result<Option<Vec<Balance>>, ProcessorError> {
                std::future::pending().await
            }
        }
        let watched = WatchedProvider::new(None, "http", Arc::new(Hangs));
        let states = Arc::new(MockProviderRepository::new());
        let watch = ProviderWatch::new([watched], states, Arc::new(System::default()));
        let asked = tokio::time::timeout(ASK_WITHIN * 2, watch.balances()).await;
        assert_eq!(asked.unwrap(), [KnownBalances::Unavailable]);
    }
}
