//! Identifiers that are texts: UUIDs, as files and chats have them.

/// Declares a text identifier: `text_id! { /// Doc. pub struct FileId; }`.
macro_rules! text_id {
    ($($(#[$meta:meta])* pub struct $name:ident;)+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes an id as amoCRM wrote it.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// As amoCRM wrote it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self::new(id)
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id)
            }
        }

        impl From<&Self> for $name {
            fn from(id: &Self) -> Self {
                id.clone()
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = crate::de::opt_text(deserializer)?;
                text.filter(|text| !text.is_empty())
                    .map(Self)
                    .ok_or_else(|| serde::de::Error::custom("expected an id"))
            }
        }
    )+};
}

pub(crate) use text_id;
