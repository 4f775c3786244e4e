//! Turns `/api/v4/leads` into `https://acme.amocrm.ru/api/v4/leads`.

use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use tower::{Layer, Service};
use url::Url;

use super::{HttpRequest, HttpResponse, ServiceFuture};
use crate::BoxError;
use crate::error::{Error, Result};

/// Where requests go: the account's host, or an override for emulators and gateways.
#[derive(Debug)]
pub(crate) struct Endpoint {
    domain: RwLock<String>,
    base_override: Option<Base>,
}

/// An origin, and what paths there begin with.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    scheme: Scheme,
    authority: Authority,
    prefix: String,
}

impl Base {
    pub(crate) fn of(url: &Url) -> Result<Self> {
        let invalid =
            || Error::invalid_input("the base URL needs the form http(s)://host[:port][/path]");
        let scheme = match url.scheme() {
            "http" => Scheme::HTTP,
            "https" => Scheme::HTTPS,
            _ => return Err(invalid()),
        };
        let host = url.host_str().ok_or_else(invalid)?;
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        Ok(Self {
            scheme,
            authority: authority.parse().map_err(|_| invalid())?,
            prefix: url.path().trim_end_matches('/').to_owned(),
        })
    }

    /// A path there.
    pub(crate) fn uri(&self, path: &str) -> Result<Uri, http::Error> {
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(format!("{}{path}", self.prefix))
            .build()
    }

    /// Path and query of a link that leads here; `None` when it leads to another origin.
    pub(crate) fn path_of(&self, link: &str) -> Option<String> {
        let link: Uri = link.parse().ok()?;
        let is_here = match (link.scheme(), link.authority()) {
            (None, None) => link.path().starts_with('/'),
            (Some(scheme), Some(authority)) => {
                *scheme == self.scheme
                    && authority
                        .as_str()
                        .eq_ignore_ascii_case(self.authority.as_str())
            }
            _ => false,
        };
        let path = link.path_and_query()?.as_str().strip_prefix(&self.prefix)?;
        (is_here && path.starts_with('/')).then(|| path.to_owned())
    }

    /// The host, for messages.
    pub(crate) fn host(&self) -> &str {
        self.authority.host()
    }

    pub(crate) fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }
}

impl Endpoint {
    pub(crate) fn new(domain: String, base_override: Option<&Url>) -> Result<Self> {
        check_domain(&domain)?;
        let base_override = base_override.map(Base::of).transpose()?;
        Ok(Self {
            domain: RwLock::new(domain),
            base_override,
        })
    }

    /// The account's host: `acme.amocrm.ru`. Changes when the account is renamed.
    pub(crate) fn domain(&self) -> String {
        self.domain
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set_domain(&self, domain: &str) -> Result<()> {
        check_domain(domain)?;
        domain.clone_into(&mut self.domain.write().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    /// Whether everything goes to one address, whatever hosts amoCRM names.
    pub(crate) fn is_overridden(&self) -> bool {
        self.base_override.is_some()
    }

    fn resolve(&self, uri: &Uri) -> Result<Uri, http::Error> {
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        if let Some(base) = &self.base_override {
            return base.uri(path);
        }
        if uri.authority().is_some() {
            return Ok(uri.clone());
        }
        Uri::builder()
            .scheme(Scheme::HTTPS)
            .authority(self.domain())
            .path_and_query(path)
            .build()
    }
}

fn check_domain(domain: &str) -> Result<()> {
    let is_host = |uri: &Uri| {
        uri.host().is_some_and(|host| !host.is_empty())
            && uri.path() == "/"
            && uri.query().is_none()
    };
    match format!("https://{domain}").parse::<Uri>() {
        Ok(uri) if is_host(&uri) && !domain.contains(['@', '/', '#']) => Ok(()),
        _ => Err(Error::invalid_input(
            "the account's domain needs the form `acme.amocrm.ru`",
        )),
    }
}

#[derive(Debug, Clone)]
pub(crate) struct BaseUriLayer(pub(crate) Arc<Endpoint>);

impl<S> Layer<S> for BaseUriLayer {
    type Service = BaseUri<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BaseUri {
            endpoint: Arc::clone(&self.0),
            inner,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct BaseUri<S> {
    endpoint: Arc<Endpoint>,
    inner: S,
}

impl<S> Service<HttpRequest> for BaseUri<S>
where
    S: Service<HttpRequest, Response = HttpResponse, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = HttpResponse;
    type Error = BoxError;
    type Future = ServiceFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: HttpRequest) -> Self::Future {
        match self.endpoint.resolve(request.uri()) {
            Ok(uri) => {
                *request.uri_mut() = uri;
                Box::pin(self.inner.call(request))
            }
            Err(error) => Box::pin(std::future::ready(Err(Error::invalid_input(
                "the request's path is not a valid URI",
            )
            .with_source(error)
            .into()))),
        }
    }
}
