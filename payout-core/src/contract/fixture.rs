//! The environment of a case: the adapter under test, a guard that must outlive it, and a runtime.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

/// The time limit of a case, which no healthy case comes near. An adapter that hangs fails under the case's name.
const LONGEST_CASE: Duration = Duration::from_secs(120);

/// The adapter under test, newly made over an empty store, and a guard that is dropped after the case.
pub struct Fixture<P: ?Sized> {
    pair: Pair<P>,
    _keep: Box<dyn Any + Send>,
}

/// The adapter under test, opened twice over one store as by two processes.
pub struct Pair<P: ?Sized> {
    /// The first handle.
    pub port: Arc<P>,
    /// The second handle to the same store, or the first if the fixture has only one.
    pub peer: Arc<P>,
}

impl<P: ?Sized> Fixture<P> {
    /// Adds a second handle to the same store, as another process would open it.
    #[must_use]
    pub fn with_peer(mut self, peer: Arc<P>) -> Self {
        self.pair.peer = peer;
        self
    }
}

impl<P: ?Sized> From<Arc<P>> for Fixture<P> {
    fn from(port: Arc<P>) -> Self {
        Self::from((port, ()))
    }
}

impl<P: ?Sized, G: Send + 'static> From<(Arc<P>, G)> for Fixture<P> {
    fn from((port, guard): (Arc<P>, G)) -> Self {
        Self {
            pair: Pair {
                peer: port.clone(),
                port,
            },
            _keep: Box::new(guard),
        }
    }
}

/// Runs one case with a fixture of its own. The guard is dropped inside the runtime, even if the case panics.
///
/// # Panics
/// If the case panics or exceeds its time limit.
pub fn run<P: ?Sized, M, F>(make: impl FnOnce() -> M, case: impl FnOnce(Pair<P>) -> F)
where
    M: Future<Output: Into<Fixture<P>>>,
    F: Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a tokio runtime").block_on(async {
        let fixture: Fixture<P> = make().await.into();
        let pair = Pair {
            port: fixture.pair.port.clone(),
            peer: fixture.pair.peer.clone(),
        };
        let finished = tokio::time::timeout(LONGEST_CASE, case(pair)).await;
        assert!(finished.is_ok(), "the case took longer than {LONGEST_CASE:?}");
    });
}
