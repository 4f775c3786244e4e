//! Declares what amoCRM does besides reading and writing a collection: pin, accept, run, close, …

/// Declares the builder of one such operation: a request with a path of its own, awaited once.
///
/// ```text
/// action! {
///     /// Pins a note.
///     pub struct PinNote => (): POST PIN;
/// }
/// action! {
///     /// Accepts an incoming lead; awaiting gives what became of it.
///     pub struct AcceptUnsorted(AcceptBody) => AcceptedUnsorted: POST ACCEPT;
/// }
/// ```
///
/// `PinNote::at(&client, path)` and `AcceptUnsorted::at(&client, path, body)` make one. The answer is `()`, which also
/// stands for answers nobody needs, or a type that is read from it. Setters are written below by hand, over `body`. The
/// operation is declared too: name the builder in `operations()`.
macro_rules! action {
    ($(#[$meta:meta])* pub struct $name:ident => $answer:tt: $method:ident $operation:expr;) => {
        $(#[$meta])*
        #[derive(Clone)]
        #[must_use = "nothing is sent until it is awaited"]
        pub struct $name {
            client: crate::Client,
            path: String,
        }

        impl $name {
            pub(crate) fn at(client: &crate::Client, path: impl Into<String>) -> Self {
                Self { client: client.clone(), path: path.into() }
            }

            /// The request.
            pub fn into_request(self) -> crate::Request {
                crate::Request::new($operation, http::Method::$method, self.path)
            }

            async fn run(self) -> crate::Result<$answer> {
                let client = self.client.clone();
                crate::entity::action_answer!(client, self.into_request(), $answer)
            }
        }

        crate::entity::action_common! { $name => $answer: $operation }
    };
    ($(#[$meta:meta])* pub struct $name:ident($body:ty) => $answer:tt: $method:ident $operation:expr;) => {
        $(#[$meta])*
        #[derive(Clone)]
        #[must_use = "nothing is sent until it is awaited"]
        pub struct $name {
            client: crate::Client,
            path: String,
            body: $body,
        }

        impl $name {
            pub(crate) fn at(client: &crate::Client, path: impl Into<String>, body: $body) -> Self {
                Self { client: client.clone(), path: path.into(), body }
            }

            /// The request.
            ///
            /// # Errors
            ///
            /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when the body cannot be written as JSON.
            pub fn into_request(self) -> crate::Result<crate::Request> {
                crate::Request::new($operation, http::Method::$method, self.path).json(&self.body)
            }

            async fn run(self) -> crate::Result<$answer> {
                let client = self.client.clone();
                crate::entity::action_answer!(client, self.into_request()?, $answer)
            }
        }

        crate::entity::action_common! { $name => $answer: $operation }
    };
}
pub(crate) use action;

macro_rules! action_answer {
    ($client:expr, $request:expr, ()) => {
        $client.send($request).await.map(drop)
    };
    ($client:expr, $request:expr, $answer:tt) => {
        $client.expect($request).await
    };
}
pub(crate) use action_answer;

macro_rules! action_common {
    ($name:ident => $answer:tt: $operation:expr) => {
        crate::entity::awaited!($name => $answer);
        crate::request::declare!($name: $operation);

        /// Its body may hold people's data.
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("path", &self.path)
                    .finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use action_common;
