//! Registers a handler in the router and in the document at once, so that they cannot drift apart.

use std::sync::Arc;

use salvo::http::Method;
use salvo::routing::filters::MethodFilter;
use salvo::{Handler, Router};
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{HttpMethod, OperationBuilder};

use super::document;

/// The routes so far, and what is said of them.
pub(super) struct Routes {
    router: Router,
    document: OpenApi,
}

impl Routes {
    pub(super) fn new() -> Self {
        Self {
            router: Router::new(),
            document: document::empty(),
        }
    }

    /// Adds a handler at the path and methods of its own documentation, with the problems that it may answer with.
    pub(super) fn add<H>(mut self, handler: H, problems: &[u16]) -> Self
    where
        H: Handler + utoipa::Path + utoipa::__dev::SchemaReferences + for<'t> utoipa::__dev::Tags<'t>,
    {
        let path = H::path();
        let handler: Arc<dyn Handler> = Arc::new(handler);
        for method in H::methods() {
            let mut schemas = Vec::new();
            H::schemas(&mut schemas);
            let operation = OperationBuilder::from(H::operation())
                .tags(Some(H::tags()))
                .build();
            document::add(&mut self.document, &path, &method, operation, schemas, problems);
            self.router = self.router.route(&path, http_method(&method), &handler);
        }
        self
    }

    /// The router, and the document as it is served.
    pub(super) fn finish(self) -> (Router, OpenApi) {
        (self.router, self.document)
    }
}

fn http_method(method: &HttpMethod) -> Method {
    match method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Delete => Method::DELETE,
        HttpMethod::Options => Method::OPTIONS,
        HttpMethod::Head => Method::HEAD,
        HttpMethod::Patch => Method::PATCH,
        HttpMethod::Trace => Method::TRACE,
    }
}

/// Puts a handler at a path.
pub(super) trait Route: Sized {
    /// With a GET comes its HEAD: salvo leaves the body away, but does not route it by itself.
    fn route(self, path: &str, method: Method, handler: &Arc<dyn Handler>) -> Self;
}

impl Route for Router {
    fn route(mut self, path: &str, method: Method, handler: &Arc<dyn Handler>) -> Self {
        let mut leaves = vec![leaf(method.clone(), handler)];
        if method == Method::GET {
            leaves.push(leaf(Method::HEAD, handler));
        }
        // One child for each path: its text is compared once for all its methods.
        let node = path.trim_matches('/');
        let info = Router::with_path(node)
            .filters
            .first()
            .map(|filter| format!("{filter:?}"));
        let found = self
            .routers
            .iter_mut()
            .find(|child| child.filters.first().map(|filter| format!("{filter:?}")) == info);
        match found {
            Some(child) => child.routers.extend(leaves),
            None => self.routers.push(Router::with_path(node).append(&mut leaves)),
        }
        self
    }
}

fn leaf(method: Method, handler: &Arc<dyn Handler>) -> Router {
    let mut leaf = Router::new().filter(MethodFilter::new(method));
    leaf.goal = Some(handler.clone());
    leaf
}
