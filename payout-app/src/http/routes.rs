//! Registration of routes in the router and the document at once, so that the two cannot diverge.

use std::sync::Arc;

use salvo::http::Method;
use salvo::routing::filters::MethodFilter;
use salvo::{Handler, Router};
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{HttpMethod, OperationBuilder};

use crate::http::middleware::access::Guarded;
use crate::http::middleware::parameters::Checked;
use crate::http::openapi;
use crate::http::policy::{RateClass, RoutePolicy};

/// The routes so far, and their documentation.
pub(super) struct Routes {
    /// By path, in the order in which they are tried.
    paths: Vec<(String, Router)>,
    document: OpenApi,
    policies: Vec<(String, HttpMethod, RoutePolicy)>,
}

impl Routes {
    pub(super) fn new() -> Self {
        Self {
            paths: Vec::new(),
            document: openapi::empty(),
            policies: Vec::new(),
        }
    }

    /// Adds a handler with its policy, at the path and methods of its own documentation.
    pub(super) fn add<H>(mut self, handler: H, policy: RoutePolicy) -> Self
    where
        H: Handler + utoipa::Path + utoipa::__dev::SchemaReferences + for<'t> utoipa::__dev::Tags<'t>,
    {
        let path = H::path();
        let policy = RoutePolicy {
            is_unsafe: H::methods().iter().any(|method| !http_method(method).is_safe()),
            ..policy
        };
        let mut operation = OperationBuilder::from(H::operation())
            .tags(Some(H::tags()))
            .build();
        let components = openapi::governed(&mut operation, &policy);
        let mut handler: Arc<dyn Handler> = Arc::new(handler);
        if let Some(query) = policy.query {
            handler = Checked::before(query, handler);
        }
        let handler = Guarded::behind(policy, handler);
        for method in H::methods() {
            let mut schemas = components.clone();
            H::schemas(&mut schemas);
            openapi::add(&mut self.document, &path, &method, operation.clone(), schemas);
            self.route(&path, &method, &handler);
            self.policies.push((path.clone(), method, policy));
        }
        self
    }

    /// Returns every path with its policy, once for each method.
    #[cfg(test)]
    pub(super) fn policies(&self) -> &[(String, HttpMethod, RoutePolicy)] {
        &self.policies
    }

    /// Returns the paths of a rate class, without their trailing slash.
    pub(super) fn paths_of(&self, rate: RateClass) -> Vec<String> {
        let of_class = self.policies.iter().filter(|(_, _, policy)| policy.rate == rate);
        of_class
            .map(|(path, _, _)| path.trim_end_matches('/').to_owned())
            .collect()
    }

    /// Adds handlers to the router of their path: each path has one router, so its text is compared once for all its
    /// methods.
    fn route(&mut self, path: &str, method: &HttpMethod, handler: &Arc<dyn Handler>) {
        let path = path.trim_matches('/');
        let mut leaves = leaves(&http_method(method), handler);
        match self.paths.iter_mut().find(|(known, _)| known == path) {
            Some((_, router)) => router.routers.append(&mut leaves),
            None => {
                // The root has no path to compare.
                let router = if path.is_empty() {
                    Router::new()
                } else {
                    Router::with_path(path)
                };
                self.paths.push((path.to_owned(), router.append(&mut leaves)));
            }
        }
    }

    /// Returns the router, and the document as it is served.
    pub(super) fn finish(self) -> (Router, OpenApi) {
        let mut routers: Vec<Router> = self.paths.into_iter().map(|(_, router)| router).collect();
        (Router::new().append(&mut routers), self.document)
    }
}

/// Returns the routers of a handler for one method. A GET includes its HEAD, which salvo does not route on its own.
pub(super) fn leaves(method: &Method, handler: &Arc<dyn Handler>) -> Vec<Router> {
    let mut methods = vec![method.clone()];
    if method == Method::GET {
        methods.push(Method::HEAD);
    }
    let leaf = |method| {
        let mut leaf = Router::new().filter(MethodFilter::new(method));
        leaf.goal = Some(handler.clone());
        leaf
    };
    methods.into_iter().map(leaf).collect()
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
