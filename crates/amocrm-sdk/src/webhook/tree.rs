//! The body as a tree, before anything is known about entities.

mod branch;
mod form;

use std::fmt;

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use serde_json::Value;

pub use self::branch::Key;
use self::branch::{Branch, Wanted};
use super::error::{ParseError, ParseErrorKind};

/// Longest body that is parsed. Deliveries seen in the wild have a few kilobytes.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Most values in one body. A lead with 250 filled fields has about 1,500.
pub const MAX_VALUES: usize = 10_000;
/// Deepest nesting. Custom fields inside an incoming lead reach 11 levels, 13 with invoice positions.
pub const MAX_DEPTH: usize = 16;

/// A value or a group of values.
///
/// Indexes are keys like any other, so `a[999999999]=1` costs as much as `a[0]=1`. Serialization gives JSON, with arrays
/// where the keys are 0, 1, 2…; [`Debug`](fmt::Debug) shows keys and no values.
#[derive(Clone, PartialEq, Eq)]
pub enum Tree {
    /// A value.
    Leaf(String),
    /// A group.
    Branch(Branch),
}

impl Tree {
    /// Reads a form-urlencoded body with bracket keys.
    ///
    /// # Errors
    ///
    /// The body is beyond the limits, or uses one key as a value and as a group.
    pub fn from_form(body: &[u8]) -> Result<Self, ParseError> {
        check_size(body)?;
        let mut root = Self::Branch(Branch::default());
        let mut pairs = form::Pairs::of(body);
        let mut count = 0;
        while let Some((key, value)) = pairs.next() {
            if count == MAX_VALUES {
                return Err(too_many());
            }
            count += 1;
            root.insert(&key, value)?;
        }
        Ok(root)
    }

    /// Reads the same structure from JSON. Numbers become text, flags `1` and `0`, nulls are left out.
    ///
    /// # Errors
    ///
    /// The body is beyond the limits, or no JSON object.
    pub fn from_json(body: &[u8]) -> Result<Self, ParseError> {
        check_size(body)?;
        match serde_json::from_slice(body) {
            Ok(object @ Value::Object(_)) => {
                let mut values = 0;
                let tree = Self::from_value(object, MAX_DEPTH, &mut values)?;
                Ok(tree.unwrap_or_else(|| Self::Branch(Branch::default())))
            }
            _ => Err(ParseError::new(
                ParseErrorKind::Malformed,
                "",
                "a JSON object",
            )),
        }
    }

    /// A part of a JSON document, within the same limits. Nothing is an empty group.
    pub(super) fn from_json_value(value: Value) -> Result<Self, ParseError> {
        let tree = Self::from_value(value, MAX_DEPTH, &mut 0)?;
        Ok(tree.unwrap_or_else(|| Self::Branch(Branch::default())))
    }

    fn from_value(
        value: Value,
        depth_left: usize,
        values: &mut usize,
    ) -> Result<Option<Self>, ParseError> {
        *values += 1;
        if *values > MAX_VALUES {
            return Err(too_many());
        }
        let leaf = match value {
            Value::Null => return Ok(None),
            Value::Bool(flag) => if flag { "1" } else { "0" }.to_owned(),
            Value::Number(number) => number.to_string(),
            Value::String(text) => text,
            Value::Array(items) => {
                let mut branch = Branch::default();
                let depth_left = below(depth_left)?;
                for (item, index) in items.into_iter().zip(0..) {
                    if let Some(tree) = Self::from_value(item, depth_left, values)? {
                        *branch.entry(Wanted::Index(index)) = tree;
                    }
                }
                return Ok(Some(Self::Branch(branch)));
            }
            Value::Object(items) => {
                let mut branch = Branch::default();
                let depth_left = below(depth_left)?;
                for (key, item) in items {
                    if let Some(tree) = Self::from_value(item, depth_left, values)? {
                        *branch.entry(Wanted::new(&key)) = tree;
                    }
                }
                return Ok(Some(Self::Branch(branch)));
            }
        };
        Ok(Some(Self::Leaf(leaf)))
    }

    fn insert(&mut self, key: &str, value: String) -> Result<(), ParseError> {
        let conflict = || {
            ParseError::new(
                ParseErrorKind::Malformed,
                key,
                "either a value or a group, not both",
            )
        };
        let mut node = self;
        for (depth, segment) in segments(key).enumerate() {
            if depth == MAX_DEPTH {
                return Err(too_deep(key));
            }
            // A fresh node is an empty leaf until something goes below it.
            if matches!(node, Self::Leaf(text) if text.is_empty()) {
                *node = Self::Branch(Branch::default());
            }
            let Self::Branch(branch) = node else {
                return Err(conflict());
            };
            let append = segment.is_empty() && depth > 0;
            let segment = if append {
                Wanted::Index(branch.next_index())
            } else {
                Wanted::new(segment)
            };
            node = branch.entry(segment);
        }
        match node {
            Self::Leaf(leaf) => *leaf = value, // the last one wins, as in PHP
            Self::Branch(_) if value.is_empty() => {}
            Self::Branch(_) => return Err(conflict()),
        }
        Ok(())
    }

    /// What is under a name.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Leaf(_) => None,
            Self::Branch(branch) => branch.get(Wanted::new(name)),
        }
    }

    /// What is at the end of a path of names: `["source_data", "form_id"]`.
    pub fn at<'a>(&self, path: impl IntoIterator<Item = &'a str>) -> Option<&Self> {
        path.into_iter().try_fold(self, |tree, name| tree.get(name))
    }

    /// The value, if this is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Leaf(text) => Some(text),
            Self::Branch(_) => None,
        }
    }

    /// Keys and what is under them, in the order of the body. A value has none.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Self)> {
        let branch = match self {
            Self::Leaf(_) => None,
            Self::Branch(branch) => Some(branch),
        };
        branch.into_iter().flat_map(Branch::iter)
    }

    /// A group with nothing but indexes in it.
    pub(super) fn is_indexed(&self) -> bool {
        matches!(self, Self::Branch(branch) if branch.is_indexed())
    }

    /// A group of one value.
    pub(super) fn of(name: &str, value: &str) -> Self {
        let mut branch = Branch::default();
        *branch.entry(Wanted::Name(name)) = Self::Leaf(value.to_owned());
        Self::Branch(branch)
    }

    /// Tells every key and value in an order that does not depend on the body's.
    pub(super) fn visit(&self, visit: &mut impl FnMut(&str)) {
        match self {
            Self::Leaf(text) => visit(text),
            Self::Branch(branch) => {
                visit("{");
                for (key, tree) in branch.sorted() {
                    visit(&key.text());
                    tree.visit(visit);
                }
                visit("}");
            }
        }
    }
}

/// The parts of `a[b][c]`. What is not written so is one part.
fn segments(key: &str) -> impl Iterator<Item = &str> {
    let (name, rest) = match key.split_once('[') {
        Some((name, rest)) if !name.is_empty() && rest.ends_with(']') => {
            (name, Some(&rest[..rest.len() - 1]))
        }
        _ => (key, None),
    };
    std::iter::successors(Some((name, rest)), |(_, rest)| {
        let rest = (*rest)?;
        // A key is short: setting up a search for `][` costs more than looking.
        let end = rest.as_bytes().windows(2).position(|pair| pair == b"][");
        Some(match end {
            Some(end) => (&rest[..end], Some(&rest[end + 2..])),
            None => (rest, None),
        })
    })
    .map(|(segment, _)| segment)
}

fn check_size(body: &[u8]) -> Result<(), ParseError> {
    if body.len() > MAX_BODY_BYTES {
        return Err(ParseError::new(
            ParseErrorKind::TooLarge,
            "",
            "at most 1 MiB",
        ));
    }
    Ok(())
}

fn below(depth_left: usize) -> Result<usize, ParseError> {
    depth_left.checked_sub(1).ok_or_else(|| too_deep(""))
}

fn too_many() -> ParseError {
    ParseError::new(ParseErrorKind::TooLarge, "", "at most 10,000 values")
}

fn too_deep(key: &str) -> ParseError {
    ParseError::new(
        ParseErrorKind::TooLarge,
        key,
        "at most 16 levels of nesting",
    )
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaf(_) => f.write_str("…"),
            Self::Branch(branch) => branch.fmt(f),
        }
    }
}

impl fmt::Debug for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(key, tree)| (key.to_string(), tree)))
            .finish()
    }
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Leaf(text) => serializer.serialize_str(text),
            Self::Branch(branch) if branch.is_list() => {
                let mut list = serializer.serialize_seq(Some(branch.len()))?;
                for (_, tree) in branch.sorted() {
                    list.serialize_element(tree)?;
                }
                list.end()
            }
            Self::Branch(branch) => {
                let mut map = serializer.serialize_map(Some(branch.len()))?;
                for (key, tree) in branch.iter() {
                    map.serialize_entry(&key.text(), tree)?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn json(form: &str) -> Value {
        serde_json::to_value(Tree::from_form(form.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn brackets_make_groups_and_indexes_make_lists() {
        assert_eq!(
            json("a%5Bb%5D%5B0%5D=1&a[b][1]=x+y&c=%D0%AF"),
            json!({"a": {"b": ["1", "x y"]}, "c": "Я"})
        );
        assert_eq!(
            json("a[]=1&a[]=2&a[7]=3&a[]=4"),
            json!({"a": {"0": "1", "1": "2", "7": "3", "8": "4"}})
        );
        assert_eq!(json("a[999999999]=1"), json!({"a": {"999999999": "1"}}));
        assert_eq!(
            json("a[18446744073709551615]=1&a[]=2").to_string(),
            r#"{"a":{"18446744073709551615":"2"}}"#
        );
        assert_eq!(json("a[07]=1&a[7]=2"), json!({"a": {"07": "1", "7": "2"}}));
        assert_eq!(json("a=1&a=2"), json!({"a": "2"}));
        assert_eq!(json("a=&a[b]=1&a="), json!({"a": {"b": "1"}}));
    }

    #[test]
    fn what_is_no_bracket_key_is_a_plain_name() {
        assert_eq!(
            json("a[b=1&[c]=2&=3&d[e]f=4"),
            json!({"a[b": "1", "[c]": "2", "": "3", "d[e]f": "4"})
        );
        assert_eq!(json("%FF=%00"), json!({"\u{fffd}": "\0"}));
        assert_eq!(json(""), json!([]));
    }

    #[test]
    fn limits_hold_and_name_the_key() {
        let kind = |form: String| Tree::from_form(form.as_bytes()).map_err(|error| error.kind());
        assert_eq!(
            kind("a".repeat(MAX_BODY_BYTES + 1)),
            Err(ParseErrorKind::TooLarge)
        );
        assert!(kind("a=1&".repeat(MAX_VALUES)).is_ok());
        assert_eq!(
            kind("a=1&".repeat(MAX_VALUES + 1)),
            Err(ParseErrorKind::TooLarge)
        );
        assert!(kind(format!("a{}=1", "[b]".repeat(MAX_DEPTH - 1))).is_ok());
        assert_eq!(
            kind(format!("a{}=1", "[b]".repeat(MAX_DEPTH))),
            Err(ParseErrorKind::TooLarge)
        );
        assert_eq!(
            kind(format!("a{}=1", "[".repeat(500_000))),
            Ok(Tree::of(&format!("a{}", "[".repeat(500_000)), "1"))
        );

        let error = Tree::from_form(b"phone=secret&phone[x]=1").unwrap_err();
        assert_eq!(
            error.to_string(),
            "webhook phone[x]: expected either a value or a group, not both"
        );
        let long = format!("{0}=1&{0}[x]=2", "k".repeat(1000));
        let error = Tree::from_form(long.as_bytes()).unwrap_err();
        assert_eq!(error.key().chars().count(), 121);
        let not_a_form = br#"{"phone":"secret"}[x]=1&{"phone":"secret"}=1"#;
        let error = Tree::from_form(not_a_form).unwrap_err();
        assert_eq!(error.key(), "(odd key)");
    }

    #[test]
    fn json_gives_the_same_tree_as_the_form() {
        let form =
            Tree::from_form(b"leads[add][0][id]=123&leads[add][0][ok]=1&leads[add][0][name]=n")
                .unwrap();
        let json =
            Tree::from_json(br#"{"leads":{"add":[{"id":123,"ok":true,"name":"n","no":null}]}}"#)
                .unwrap();
        assert_eq!(form, json);
        for bad in [&b"[]"[..], b"1", b"{", b"", b"\xff"] {
            assert_eq!(
                Tree::from_json(bad).unwrap_err().kind(),
                ParseErrorKind::Malformed
            );
        }
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(40), "]".repeat(40));
        assert_eq!(
            Tree::from_json(deep.as_bytes()).unwrap_err().kind(),
            ParseErrorKind::TooLarge
        );
        let wide = format!("{{\"a\":[{}1]}}", "1,".repeat(MAX_VALUES));
        assert_eq!(
            Tree::from_json(wide.as_bytes()).unwrap_err().kind(),
            ParseErrorKind::TooLarge
        );
    }

    #[test]
    fn debug_shows_keys_and_no_values() {
        let tree = Tree::from_form(b"contact[phone]=secret").unwrap();
        assert_eq!(format!("{tree:?}"), r#"{"contact": {"phone": …}}"#);
    }

    proptest! {
        #[test]
        fn any_bytes_make_a_tree_or_an_error(body in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Tree::from_form(&body);
            let _ = Tree::from_json(&body);
        }

        #[test]
        fn every_value_of_a_body_is_found_again(
            values in prop::collection::btree_map(prop::collection::vec("[a-z_]{1,8}", 3..=3), "\\PC{0,20}", 1..20),
        ) {
            let mut form = form_urlencoded::Serializer::new(String::new());
            for (path, value) in &values {
                form.append_pair(&format!("{}[{}][{}]", path[0], path[1], path[2]), value);
            }
            let tree = Tree::from_form(form.finish().as_bytes()).unwrap();
            for (path, value) in &values {
                let found = tree.at(path.iter().map(String::as_str)).and_then(Tree::as_str);
                prop_assert_eq!(found, Some(value.as_str()));
            }
        }
    }
}
