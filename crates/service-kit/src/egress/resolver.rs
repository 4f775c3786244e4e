//! Names become addresses here, and only checked ones leave.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::Guard;

/// Where the addresses of a name come from.
pub trait Lookup: fmt::Debug + Send + Sync + 'static {
    /// All addresses of `name`.
    fn lookup(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The machine's resolver, with its hosts file and search domains.
#[derive(Debug, Clone, Copy)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, name: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// What an HTTP client resolves names with: it gets the addresses that were checked, and connects to nothing else.
#[derive(Debug, Clone)]
pub struct CheckedResolver {
    guard: Guard,
    allow_private: bool,
    lookup: Arc<dyn Lookup>,
}

impl CheckedResolver {
    /// Asks `lookup` and lets through what `guard` allows.
    pub fn new(guard: Guard, allow_private: bool, lookup: Arc<dyn Lookup>) -> Self {
        Self {
            guard,
            allow_private,
            lookup,
        }
    }
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, allow_private) = (self.guard.clone(), self.allow_private);
        let found = self.lookup.lookup(name.as_str().to_owned());
        Box::pin(async move {
            let addresses = found.await?;
            if addresses.is_empty() {
                return Err(io::Error::from(io::ErrorKind::NotFound).into());
            }
            // One bad address condemns the name: which of them is tried first is not ours to decide.
            for address in &addresses {
                guard.check_address(*address, allow_private)?;
            }
            let addresses = addresses
                .into_iter()
                .map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}
