//! Which account a request is about, and what its links begin with: the domains of amoCRM and Kommo on one address.

use std::net::SocketAddr;

use axum::extract::Request;
use http::Uri;
use http::header::HOST;

use crate::world::{Account, World};

/// The domains whose subdomains are accounts.
pub(crate) const CRM_DOMAINS: [&str; 3] = ["amocrm.ru", "amocrm.com", "kommo.com"];

/// What the paths of the file service begin with.
pub(crate) const DRIVE_PREFIX: &str = "/v1.0/";
/// What its links to files begin with.
pub(crate) const DOWNLOAD_PREFIX: &str = "/download/";
/// What the paths of the chat service begin with.
pub(crate) const CHATS_PREFIX: &str = "/v2/origin/";
/// The label of the file service's host, as accounts of recent years name it.
const DRIVE_LABEL: &str = "drive-b";

/// How a request reached the emulator. The server puts it into the request's extensions; without it, it came in process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) via: Via,
    /// The caller believes to speak TLS: it does, or it has told a proxy so.
    pub(crate) is_secure: bool,
    pub(crate) peer: SocketAddr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    /// Plain HTTP to the emulator's own address: any host name is the first account.
    Plain,
    /// TLS on the second port.
    Tls,
    /// Through the plain port as a proxy: inside a `CONNECT` tunnel, or in absolute form.
    Proxy,
    /// A call of the router without a socket.
    InProcess,
}

impl Via {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls => "tls",
            Self::Proxy => "proxy",
            Self::InProcess => "router",
        }
    }
}

/// What the host name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// No CRM host: the first account, and tokens of any account are welcome.
    AnyAccount,
    /// The account with this number.
    Account(u64),
    /// `www.`: the consent page and the lookup of subdomains.
    Www,
    /// `api-b.` and its siblings: shared methods, here the lookup of subdomains.
    SharedApi,
    /// `drive.` and its siblings: files.
    Drive,
    /// `amojo.`: chats.
    Chats,
    /// A subdomain no account has.
    Nobody,
}

/// The place a request was sent to.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) via: Via,
    pub(crate) peer: Option<SocketAddr>,
    /// Host and port as the caller wrote them.
    pub(crate) authority: String,
    /// Scheme and authority: what links begin with.
    pub(crate) base_url: String,
    pub(crate) target: Target,
}

impl Site {
    /// Finds out where a request was sent to.
    pub(crate) fn of(request: &Request, world: &World) -> Self {
        let origin = request.extensions().get::<Origin>().copied();
        let via = origin.map_or(Via::InProcess, |origin| origin.via);
        let uri = request.uri();
        let header = request
            .headers()
            .get(HOST)
            .and_then(|host| host.to_str().ok());
        let authority = header
            .or(uri.authority().map(http::uri::Authority::as_str))
            .unwrap_or("localhost")
            .to_owned();
        let scheme = match origin {
            Some(origin) if origin.is_secure => "https",
            Some(_) => "http",
            None => uri.scheme_str().unwrap_or("http"),
        };
        Self {
            via,
            peer: origin.map(|origin| origin.peer),
            base_url: format!("{scheme}://{authority}"),
            target: target(via, &authority, world),
            authority,
        }
    }

    /// The account whose host was named, if one was.
    pub(crate) fn account_id(&self) -> Option<u64> {
        match self.target {
            Target::Account(id) => Some(id),
            _ => None,
        }
    }

    /// Where the file service is for this caller: here, or on a host beside the account's if the caller believes in those.
    pub(crate) fn drive_url(&self) -> String {
        let host = host_of(&self.authority);
        if matches!(self.target, Target::AnyAccount) || self.via == Via::Plain {
            return self.base_url.clone();
        }
        let is_under = |domain: &&str| host.to_ascii_lowercase().ends_with(domain);
        let Some(domain) = CRM_DOMAINS.into_iter().find(is_under) else {
            return self.base_url.clone();
        };
        let scheme = self.base_url.split("://").next().unwrap_or("https");
        let port = &self.authority[host.len()..];
        format!("{scheme}://{DRIVE_LABEL}.{domain}{port}")
    }

    /// Where the request came from, for the journal.
    pub(crate) fn source(&self) -> String {
        let via = self.via.name();
        self.peer
            .map_or_else(|| via.to_owned(), |peer| format!("{via} {peer}"))
    }
}

fn target(via: Via, authority: &str, world: &World) -> Target {
    let Some(label) = crm_label(host_of(authority)) else {
        return Target::AnyAccount;
    };
    let account = world
        .accounts
        .iter()
        .find(|account| account.subdomain.eq_ignore_ascii_case(&label));
    match (account, via) {
        (Some(account), _) => Target::Account(account.id),
        (None, Via::Plain) => Target::AnyAccount,
        (None, _) => match label.as_str() {
            "" | "www" => Target::Www,
            "amojo" => Target::Chats,
            label if label == "api" || label.starts_with("api-") => Target::SharedApi,
            label if label == "drive" || label.starts_with("drive-") => Target::Drive,
            _ => Target::Nobody,
        },
    }
}

/// Whether this is one of the hosts the emulator stands in for.
pub(crate) fn is_crm_host(host: &str) -> bool {
    crm_label(host).is_some()
}

/// The part before the CRM's domain: empty for the bare domain, `None` for hosts of others.
fn crm_label(host: &str) -> Option<String> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    CRM_DOMAINS.iter().find_map(|domain| {
        let label = host.strip_suffix(domain)?;
        if label.is_empty() {
            Some(String::new())
        } else {
            label.strip_suffix('.').map(str::to_owned)
        }
    })
}

/// The host of an authority, without user and port.
pub(crate) fn host_of(authority: &str) -> &str {
    let authority = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    if authority.starts_with('[') {
        return authority.split_inclusive(']').next().unwrap_or(authority);
    }
    authority.split(':').next().unwrap_or(authority)
}

/// Whether an absolute-form target names this machine, so that it is no proxy request.
pub(crate) fn is_local(uri: &Uri) -> bool {
    matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

/// The domain of an account's site.
pub(crate) fn base_domain(tld: &str) -> &'static str {
    if tld == "ru" {
        "amocrm.ru"
    } else {
        "kommo.com"
    }
}

/// `acme.amocrm.ru`.
pub(crate) fn account_domain(account: &Account) -> String {
    format!("{}.{}", account.subdomain, base_domain(&account.tld))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_found_under_the_vendors_domains_only() {
        assert_eq!(crm_label("acme.amocrm.ru").as_deref(), Some("acme"));
        assert_eq!(crm_label("ACME.Kommo.com.").as_deref(), Some("acme"));
        assert_eq!(crm_label("amocrm.com").as_deref(), Some(""));
        assert_eq!(crm_label("notamocrm.ru"), None);
        assert_eq!(crm_label("amocrm.ru.example"), None);
        assert_eq!(host_of("user@acme.amocrm.ru:443"), "acme.amocrm.ru");
        assert_eq!(host_of("[::1]:8900"), "[::1]");
    }
}
