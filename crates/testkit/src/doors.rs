//! Who gets into a service, and who does not.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use service_kit::http::{OpenRoute, Role};

use crate::browser::{Answer, browser};

/// The tokens of the roles, in the environment of a service whose doors are tried.
pub const TOKENS: [(&str, &str); 3] = [
    ("ADMIN_TOKEN", "0123456789abcdef0123"),
    ("OPERATOR_TOKEN", "operator-token-456789"),
    ("VIEWER_TOKEN", "viewer-token-23456789"),
];
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
const PROBLEM: &str = "application/problem+json";

/// A service with [`TOKENS`], as strangers and people with roles see it.
#[derive(Debug, Clone, Copy)]
pub struct Doors<'a> {
    /// Where it listens.
    pub url: &'a str,
    /// What strangers may call.
    pub open: &'a [OpenRoute],
    /// Who may call what, written down by hand: every operation that is not open, also those that the description of the
    /// interface does not tell. Whoever adds a route has to decide here as well as there.
    pub table: &'a [(Role, &'a str, &'a str)],
    /// Routes that are open and that the description does not tell.
    pub undocumented: &'a [(&'a str, &'a str)],
    /// What parameters of routes stand for: `("{id}", "1")`.
    pub parameters: &'a [(&'a str, &'a str)],
}

/// The token of a role.
fn token(role: Role) -> &'static str {
    let name = role.variable();
    let mut tokens = TOKENS.iter();
    tokens.find(|(variable, _)| *variable == name).unwrap().1
}

impl Doors<'_> {
    /// Tries every route in every method: without a token, with a wrong one, and with that of each role. Who may not is
    /// refused and told what is needed, and the description shows the same lock. Returns how many doors were closed.
    pub async fn try_all(&self) -> usize {
        let client = &browser();
        let api = self.call(client, Method::GET, "/openapi.json", None);
        let api = api.await.json();
        self.is_whole(&api);
        let mut closed = 0;
        for (route, documented) in self.routes(&api) {
            let mut path = route.clone();
            for (parameter, value) in self.parameters {
                path = path.replace(parameter, value);
            }
            for method in METHODS {
                let what = format!("{method} {route}");
                let verb = Method::from_bytes(method.as_bytes()).unwrap();
                if self.is_open(method, &route) {
                    let stranger = self.call(client, verb.clone(), &path, None).await;
                    assert_ne!(stranger.status, 401, "{what}");
                    continue;
                }
                closed += 1;
                self.strangers_are_refused(client, &verb, &path, &what)
                    .await;
                // What nobody has written down is the administrator's.
                let needed = self.needed(method, &route);
                self.roles_are_told_apart(client, &verb, &path, &what, needed)
                    .await;
                let described = &api["paths"][&route][method.to_lowercase()];
                if documented.contains(method) && described.is_object() {
                    let locks = described["security"].as_array();
                    let locks = locks.unwrap_or_else(|| panic!("{what} shows no lock"));
                    let named: BTreeSet<_> = locks
                        .iter()
                        .flat_map(|lock| lock.as_object().unwrap().keys())
                        .map(String::as_str)
                        .collect();
                    let enough = Role::ALL.into_iter().filter(|role| *role >= needed);
                    assert_eq!(named, enough.map(Role::as_str).collect(), "{what}");
                }
            }
        }
        closed
    }

    async fn strangers_are_refused(&self, client: &Client, verb: &Method, path: &str, what: &str) {
        let stranger = self.call(client, verb.clone(), path, None).await;
        assert_eq!(stranger.status, 401, "{what}");
        assert_eq!(stranger.headers["content-type"], PROBLEM, "{what}");
        let guess = self
            .call(client, verb.clone(), path, Some("0123456789abcdef0124"))
            .await;
        assert_eq!(guess.status, 401, "{what}");
    }

    /// The matrix: 403 below the role that is needed, anything else from it on.
    async fn roles_are_told_apart(
        &self,
        client: &Client,
        verb: &Method,
        path: &str,
        what: &str,
        needed: Role,
    ) {
        for role in Role::ALL {
            if role < needed {
                let refused = self
                    .call(client, verb.clone(), path, Some(token(role)))
                    .await;
                assert_eq!(refused.status, 403, "{what} as {role}");
                assert_eq!(refused.headers["content-type"], PROBLEM, "{what}");
                if *verb != Method::HEAD {
                    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
                    assert!(
                        detail.contains(&format!("the role {needed}")),
                        "{what}: {detail}"
                    );
                }
            } else {
                let status = self.status(client, verb.clone(), path, token(role)).await;
                assert!(
                    !matches!(status.as_u16(), 401 | 403),
                    "{what} as {role}: {status}"
                );
            }
        }
    }

    /// Every operation that is not open stands in the table, and the table names nothing else.
    fn is_whole(&self, api: &Value) {
        let described = api["paths"].as_object().unwrap();
        for (path, item) in described {
            for method in item.as_object().unwrap().keys() {
                let method = method.to_uppercase();
                let is_decided = self
                    .table
                    .iter()
                    .any(|(_, known, route)| *known == method && route == path);
                assert_ne!(
                    is_decided,
                    self.is_open(&method, path),
                    "{method} {path} has to be either open or in the table of roles"
                );
            }
        }
        let mut seen = BTreeSet::new();
        for (_, method, route) in self.table {
            assert!(
                seen.insert((method, route)),
                "{method} {route} stands twice"
            );
        }
    }

    fn needed(&self, method: &str, route: &str) -> Role {
        let method = if method == "HEAD" { "GET" } else { method };
        self.table
            .iter()
            .find(|(_, known, path)| *known == method && *path == route)
            .map_or(Role::Admin, |(role, ..)| *role)
    }

    fn routes(&self, api: &Value) -> BTreeMap<String, BTreeSet<String>> {
        let mut routes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (path, item) in api["paths"].as_object().unwrap() {
            let methods = item.as_object().unwrap().keys();
            let methods = methods.map(|method| method.to_uppercase());
            routes.insert(path.clone(), methods.collect());
        }
        let written = self.table.iter().map(|(_, method, path)| (method, path));
        let open = self
            .undocumented
            .iter()
            .map(|(method, path)| (method, path));
        for (method, path) in written.chain(open) {
            let methods = routes.entry((*path).to_owned()).or_default();
            methods.insert((*method).to_owned());
        }
        routes
    }

    fn is_open(&self, method: &str, route: &str) -> bool {
        let method = if method == "HEAD" { "GET" } else { method };
        self.open
            .iter()
            .any(|open| open.method == method && open.is(route))
    }

    async fn call(
        &self,
        client: &Client,
        method: Method,
        path: &str,
        token: Option<&str>,
    ) -> Answer {
        let mut request = client.request(method, format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        Answer::of(request).await
    }

    /// As [`call`](Self::call), without waiting for the body, which may be a stream without an end.
    async fn status(&self, client: &Client, method: Method, path: &str, token: &str) -> StatusCode {
        let request = client.request(method, format!("{}{path}", self.url));
        let answer = request.bearer_auth(token).send().await.unwrap();
        answer.status()
    }
}
