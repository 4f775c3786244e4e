//! Who gets into a service without a token.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::Value;
use service_kit::http::OpenRoute;

use crate::browser::{Answer, browser};

/// A service that has an `ADMIN_TOKEN`, as a stranger sees it.
#[derive(Debug, Clone, Copy)]
pub struct Doors<'a> {
    /// Where it listens.
    pub url: &'a str,
    /// What strangers may call.
    pub open: &'a [OpenRoute],
    /// Methods and routes that the description of its interface does not tell.
    pub undocumented: &'a [(&'a str, &'a str)],
    /// What parameters of routes stand for: `("{id}", "1")`.
    pub parameters: &'a [(&'a str, &'a str)],
}

impl Doors<'_> {
    /// Tries every route in every method, without a token and with a wrong one: what is not open refuses both, and shows
    /// its lock in the description. Returns how many doors were closed.
    pub async fn try_all(&self) -> usize {
        let api = self.call(Method::GET, "/openapi.json", None).await.json();
        let mut closed = 0;
        for (route, documented) in self.routes(&api) {
            let mut path = route.clone();
            for (parameter, value) in self.parameters {
                path = path.replace(parameter, value);
            }
            for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
                let what = format!("{method} {route}");
                let verb = Method::from_bytes(method.as_bytes()).unwrap();
                let stranger = self.call(verb.clone(), &path, None).await;
                if self.is_open(method, &route) {
                    assert_ne!(stranger.status, 401, "{what}");
                    continue;
                }
                closed += 1;
                assert_eq!(stranger.status, 401, "{what}");
                let problem = "application/problem+json";
                assert_eq!(stranger.headers["content-type"], problem, "{what}");
                let guess = self.call(verb, &path, Some("0123456789abcdef0124")).await;
                assert_eq!(guess.status, 401, "{what}");
                let described = &api["paths"][&route][method.to_lowercase()];
                if documented.contains(method) && described.is_object() {
                    assert!(described["security"].is_array(), "{what} shows no lock");
                }
            }
        }
        closed
    }

    fn routes(&self, api: &Value) -> BTreeMap<String, BTreeSet<String>> {
        let mut routes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (path, item) in api["paths"].as_object().unwrap() {
            let methods = item.as_object().unwrap().keys();
            let methods = methods.map(|method| method.to_uppercase());
            routes.insert(path.clone(), methods.collect());
        }
        for (method, path) in self.undocumented {
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

    async fn call(&self, method: Method, path: &str, token: Option<&str>) -> Answer {
        let mut request = browser().request(method, format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        Answer::of(request).await
    }
}
