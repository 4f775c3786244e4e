//! Signing requests.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderValue, header};
use md5::{Digest, Md5};
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;

use crate::client::Clock;
use crate::error::{Error, Result};
use crate::layer::HttpRequest;

/// Signs every attempt anew: a signature is good for 15 minutes.
///
/// Source: <https://www.amocrm.ru/developers/content/chats/chat-start>.
#[derive(Clone)]
pub(crate) struct Signer {
    secret: SecretString,
    clock: Clock,
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl Signer {
    pub(crate) fn new(secret: SecretString, clock: Clock) -> Self {
        Self { secret, clock }
    }

    pub(crate) fn sign(&self, request: &mut HttpRequest) -> Result<()> {
        let date = self
            .clock
            .now()
            .format("%a, %d %b %Y %H:%M:%S +0000")
            .to_string();
        let md5 = crate::hex::encode(&Md5::digest(request.body()));
        let message = [
            request.method().as_str(),
            md5.as_str(),
            "application/json",
            date.as_str(),
            request.uri().path(),
        ]
        .join("\n");
        let signature = self.signature(&message)?;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, JSON);
        headers.insert(header::DATE, ascii(&date)?);
        headers.insert("content-md5", ascii(&md5)?);
        headers.insert("x-signature", ascii(&signature)?);
        Ok(())
    }

    fn signature(&self, message: &str) -> Result<String> {
        let mut mac = Hmac::<Sha1>::new_from_slice(self.secret.expose_secret().as_bytes())
            .map_err(|_| Error::invalid_input("the channel's secret cannot be a key"))?;
        mac.update(message.as_bytes());
        Ok(crate::hex::encode(&mac.finalize().into_bytes()))
    }
}

fn ascii(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|_| Error::invalid_input("the request cannot be signed"))
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer")
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use chrono::{TimeZone, Utc};

    use super::*;

    /// The message of the API notes, signed by OpenSSL.
    #[test]
    fn a_request_is_signed_as_the_documentation_says() {
        let at = Utc.timestamp_opt(1_700_000_000, 0).unwrap();
        let signer = Signer::new("demo-channel-secret".into(), Clock::new(move || at));
        let mut request = http::Request::post(
            "/v2/origin/custom/11111111-2222-3333-4444-555555555555/connect?not=signed",
        )
        .body(Bytes::from_static(b"foobar"))
        .unwrap();
        signer.sign(&mut request).unwrap();
        let header = |name: &str| request.headers()[name].to_str().unwrap();
        assert_eq!(header("date"), "Tue, 14 Nov 2023 22:13:20 +0000");
        assert_eq!(header("content-md5"), "3858f62230ac3c915f300c664312c63f");
        assert_eq!(header("content-type"), "application/json");
        assert_eq!(
            header("x-signature"),
            "c9e1951f82b41f029f3b51b0d178f7386c47b217"
        );

        let mut empty = http::Request::get("/").body(Bytes::new()).unwrap();
        signer.sign(&mut empty).unwrap();
        assert_eq!(
            empty.headers()["content-md5"],
            "d41d8cd98f00b204e9800998ecf8427e"
        );
    }
}
