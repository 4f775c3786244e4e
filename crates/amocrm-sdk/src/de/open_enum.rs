//! Enumerations of words the vendor may extend: what is not known is kept as it came.

use serde::Deserializer;

/// Declares an enum of wire words with an `Unknown(String)` variant, text conversions and serde.
macro_rules! open_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $($(#[$doc:meta])* $variant:ident = $word:literal $(| $alias:literal)*),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $variant,)+
            /// A word this version of the SDK does not know, kept as it came.
            Unknown(String),
        }

        impl $name {
            /// Every value the SDK knows, in the order of declaration.
            pub const KNOWN: &'static [Self] = &[$(Self::$variant),+];

            /// The word on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Unknown(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $($word $(| $alias)* => Self::$variant,)+
                    _ => Self::Unknown(word.to_owned()),
                }
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                match word.as_str() {
                    $($word $(| $alias)* => Self::$variant,)+
                    _ => Self::Unknown(word),
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::convert::Infallible;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                Ok(Self::from(word))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::de::word(deserializer)
            }
        }
    };
}

pub(crate) use open_enum;

/// A word, or what stands in the place of one: old notes have a number for their type. `null` is the empty word.
pub(crate) fn word<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: From<String> + for<'a> From<&'a str>,
{
    super::opt_text_as(deserializer).map(|word| word.unwrap_or_else(|| T::from("")))
}

#[cfg(all(test, feature = "client"))]
mod tests {
    use serde_json::json;

    use crate::links::EntityType;
    use crate::notes::NoteType;

    #[test]
    fn what_is_no_known_word_is_kept_as_it_came() {
        let read = |value| serde_json::from_value::<NoteType>(value).unwrap();
        assert_eq!(read(json!("common")), NoteType::Common);
        assert_eq!(
            read(json!("hologram")),
            NoteType::Unknown("hologram".into())
        );
        assert_eq!(read(json!(4)), NoteType::Unknown("4".into()));
        assert_eq!(read(json!(null)), NoteType::Unknown(String::new()));
        let missing: Option<EntityType> = serde_json::from_value(json!(null)).unwrap();
        assert_eq!(missing, None);
    }
}
