//! A typed amoCRM (Kommo) API v4 client.

#[cfg(feature = "client")]
pub mod oauth;
#[cfg(feature = "client")]
pub mod quota;

/// Any error of a transport, store or layer that the SDK does not know.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
