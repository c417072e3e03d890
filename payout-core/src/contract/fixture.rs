//! What a case runs on: the adapter under test, whatever must outlive it, and a runtime.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

/// No case takes nearly as long; an adapter that hangs fails by the case's name.
const LONGEST_CASE: Duration = Duration::from_secs(120);

/// The adapter under test, fresh and over an empty store, and a guard to drop after the case.
pub struct Fixture<P: ?Sized> {
    pair: Pair<P>,
    _keep: Box<dyn Any + Send>,
}

/// The adapter under test as two processes open it over one store.
pub struct Pair<P: ?Sized> {
    /// The adapter.
    pub port: Arc<P>,
    /// A second handle to the same store; the adapter itself when there is none.
    pub peer: Arc<P>,
}

impl<P: ?Sized> Fixture<P> {
    /// With a second handle to the same store, as another process would open it.
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

/// Runs one case over a fixture of its own. The guard is dropped inside the runtime, also when the case panics.
///
/// # Panics
/// When the case does, or takes longer than any should.
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
