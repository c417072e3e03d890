//! The resolver of the client: the addresses that it returns are the ones that are dialled, and each was checked.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::networks::Rule;

/// Looks names up.
#[async_trait]
pub(super) trait Lookup: Send + Sync {
    /// Returns the addresses of a host.
    async fn addresses(&self, host: &str) -> std::io::Result<Vec<IpAddr>>;
}

/// The operating system's resolver.
pub(super) struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn addresses(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((host, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// A resolver that returns only addresses that may be called. If any address of a name may not, the name is refused.
pub(super) struct CheckedResolver {
    lookup: Arc<dyn Lookup>,
    rule: Rule,
}

impl CheckedResolver {
    pub(super) fn new(lookup: Arc<dyn Lookup>, rule: Rule) -> Self {
        Self { lookup, rule }
    }
}

/// A name has no address.
#[derive(Debug)]
struct NoAddress;

impl fmt::Display for NoAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name has no address")
    }
}

impl std::error::Error for NoAddress {}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, rule) = (self.lookup.clone(), self.rule.clone());
        Box::pin(async move {
            let addresses = lookup.addresses(name.as_str()).await?;
            if addresses.is_empty() {
                return Err(Box::new(NoAddress) as Box<dyn std::error::Error + Send + Sync>);
            }
            for address in &addresses {
                rule.check(*address)?;
            }
            // The client puts the port of the address in.
            let dialled = addresses.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(dialled) as Addrs)
        })
    }
}
