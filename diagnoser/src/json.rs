//! JSON as evidence keeps it: read once, never changed, and small.
//!
//! A large cluster is hundreds of thousands of small maps in which the same few words stand again and again. `serde_json::Value`
//! takes more than half a kilobyte for each map, whatever is in it; here a map is a sorted list, and each text is kept once.

use std::{cell::RefCell, fmt, ops::Index, sync::Arc};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use serde_json::Number;

/// A JSON value. It is used as `serde_json::Value` is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Value {
    /// `null`, and whatever is looked for and not there.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    String(Text),
    /// A list.
    Array(Box<[Value]>),
    /// A map.
    Object(Map),
}

/// A text that many values may share.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Arc<str>);

/// A map, sorted by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map(Box<[(Text, Value)]>);

static NULL: Value = Value::Null;

/// A value written as JSON, as `serde_json::json!` takes it.
macro_rules! json {
    ($($written:tt)+) => { $crate::json::Value::from(::serde_json::json!($($written)+)) };
}
pub(crate) use json;

impl Text {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: Into<Arc<str>>> From<T> for Text {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq<Text> for &str {
    fn eq(&self, other: &Text) -> bool {
        *self == other.as_str()
    }
}

impl PartialEq<Text> for String {
    fn eq(&self, other: &Text) -> bool {
        self == other.as_str()
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self)
    }
}

impl std::borrow::Borrow<str> for Text {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl std::ops::Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Map {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        /// Few keys are sooner looked through: those of another length are told apart without reading them.
        const FEW: usize = 24;
        let at = match self.0.len() {
            0..FEW => self.0.iter().position(|(known, _)| known.as_str() == key)?,
            _ => self.0.binary_search_by(|(known, _)| known.as_str().cmp(key)).ok()?,
        };
        Some(&self.0[at].1)
    }

    /// Whether there is such a key.
    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Keys and values, sorted by key.
    pub fn iter(&self) -> <&Self as IntoIterator>::IntoIter {
        self.into_iter()
    }

    /// Takes the value of a key out; the rest is given up.
    pub fn into_value(self, key: &str) -> Option<Value> {
        self.0.into_iter().find(|(known, _)| known.as_str() == key).map(|(_, value)| value)
    }

    /// The keys, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &Text> {
        self.0.iter().map(|(key, _)| key)
    }

    /// The values, sorted by key.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.0.iter().map(|(_, value)| value)
    }

    /// Of a key that is written twice the last counts, as with `serde_json`.
    fn new(mut entries: Vec<(Text, Value)>) -> Self {
        if !entries.is_sorted_by(|(a, _), (b, _)| a < b) {
            entries.reverse();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            entries.dedup_by(|(later, _), (earlier, _)| later == earlier);
        }
        Self(entries.into_boxed_slice())
    }
}

impl<'m> IntoIterator for &'m Map {
    type Item = (&'m Text, &'m Value);
    type IntoIter = std::iter::Map<std::slice::Iter<'m, (Text, Value)>, fn(&'m (Text, Value)) -> (&'m Text, &'m Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(key, value)| (key, value))
    }
}

/// What a value can be asked for: a key or a place in a list.
pub trait Key {
    /// The value there.
    fn of<'v>(&self, value: &'v Value) -> Option<&'v Value>;
}

impl Key for str {
    fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        value.as_object()?.get(self)
    }
}

impl Key for String {
    fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.as_str().of(value)
    }
}

impl Key for Text {
    fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.as_str().of(value)
    }
}

impl Key for usize {
    fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        value.as_array()?.get(*self)
    }
}

impl<K: Key + ?Sized> Key for &K {
    fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        (**self).of(value)
    }
}

/// Null where it is not there.
impl<K: Key> Index<K> for Value {
    type Output = Value;

    fn index(&self, key: K) -> &Value {
        key.of(self).unwrap_or(&NULL)
    }
}

impl Value {
    /// The value of a key of a map, or at a place of a list.
    pub fn get(&self, key: impl Key) -> Option<&Value> {
        key.of(self)
    }

    /// The value at a JSON pointer (RFC 6901).
    pub fn pointer(&self, pointer: &str) -> Option<&Value> {
        let mut at = self;
        if pointer.is_empty() {
            return Some(at);
        }
        for step in pointer.strip_prefix('/')?.split('/') {
            at = match at {
                Value::Object(map) if step.contains('~') => map.get(&step.replace("~1", "/").replace("~0", "~"))?,
                Value::Object(map) => map.get(step)?,
                Value::Array(list) => list.get(step.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(at)
    }

    /// The text, where it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// The same, to be shared.
    pub fn as_text(&self) -> Option<&Text> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// True or false, where it is one of them.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The number, where it is one of this range.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_number()?.as_i64()
    }

    /// The number, where it is one of this range.
    pub fn as_u64(&self) -> Option<u64> {
        self.as_number()?.as_u64()
    }

    /// The number, where it is one.
    pub fn as_f64(&self) -> Option<f64> {
        self.as_number()?.as_f64()
    }

    fn as_number(&self) -> Option<&Number> {
        match self {
            Self::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The list, where it is one.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(list) => Some(list),
            _ => None,
        }
    }

    /// The map, where it is one.
    pub fn as_object(&self) -> Option<&Map> {
        match self {
            Self::Object(map) => Some(map),
            _ => None,
        }
    }

    /// Whether it is null, or was not there.
    pub fn is_null(&self) -> bool {
        *self == Self::Null
    }

    /// Whether it is a text.
    pub fn is_string(&self) -> bool {
        self.as_str().is_some()
    }

    /// Whether it is a map.
    pub fn is_object(&self) -> bool {
        self.as_object().is_some()
    }
}

/// As JSON without blanks.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl PartialEq<str> for Value {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == Some(other)
    }
}

impl PartialEq<&str> for Value {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == Some(*other)
    }
}

impl PartialEq<String> for Value {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == Some(other)
    }
}

impl PartialEq<bool> for Value {
    fn eq(&self, other: &bool) -> bool {
        self.as_bool() == Some(*other)
    }
}

macro_rules! compares_with {
    ($($number:ty)*) => {
        $(impl PartialEq<$number> for Value {
            fn eq(&self, other: &$number) -> bool {
                i64::try_from(*other).is_ok_and(|other| self.as_i64() == Some(other))
            }
        })*
    };
}
compares_with!(i32 i64 u16 u32 u64);

impl PartialEq<bool> for &Value {
    fn eq(&self, other: &bool) -> bool {
        **self == *other
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(Text(text.into()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

impl From<Vec<Value>> for Value {
    fn from(list: Vec<Value>) -> Self {
        Self::Array(list.into_boxed_slice())
    }
}

impl FromIterator<(Text, Value)> for Value {
    fn from_iter<I: IntoIterator<Item = (Text, Value)>>(entries: I) -> Self {
        Self::Object(Map::new(entries.into_iter().collect()))
    }
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match value {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(value),
            Json::Number(number) => Self::Number(number),
            Json::String(text) => Self::String(Text(text.into())),
            Json::Array(list) => Self::Array(list.into_iter().map(Self::from).collect()),
            Json::Object(map) => {
                Self::Object(Map::new(map.into_iter().map(|(key, value)| (Text(key.into()), value.into())).collect()))
            }
        }
    }
}

/// To be changed, or given to those who know only this form.
impl From<&Value> for serde_json::Value {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(number.clone()),
            Value::String(text) => Self::String(text.to_string()),
            Value::Array(list) => Self::Array(list.iter().map(Self::from).collect()),
            Value::Object(map) => {
                Self::Object(map.iter().map(|(key, value)| (key.to_string(), value.into())).collect())
            }
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => to.serialize_unit(),
            Self::Bool(value) => to.serialize_bool(*value),
            Self::Number(number) => number.serialize(to),
            Self::String(text) => to.serialize_str(text),
            Self::Array(list) => to.collect_seq(list),
            Self::Object(map) => to.collect_map(map.0.iter().map(|(key, value)| (key.as_str(), value))),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Reader(&Reading::default()).deserialize(from)
    }
}

/// Reads one document.
#[derive(Clone, Copy)]
struct Reader<'r>(&'r Reading);

/// What is known while a document is read.
#[derive(Default)]
struct Reading {
    /// Only whether a text is known is asked, never in which order they are.
    #[allow(clippy::disallowed_types)]
    texts: RefCell<hashbrown::HashSet<Text>>,
    /// The items of the lists, and the entries of the maps, that have not come to their end: how many there are is known then.
    items: RefCell<Vec<Value>>,
    entries: RefCell<Vec<(Text, Value)>>,
}

impl Reader<'_> {
    fn text(self, text: &str) -> Text {
        self.0.texts.borrow_mut().get_or_insert_with(text, |text| text.into()).clone()
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

/// A key of a map, read as other texts are.
struct KeyReader<'t>(Reader<'t>);

impl<'de> DeserializeSeed<'de> for KeyReader<'_> {
    type Value = Text;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Text, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyReader<'_> {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        Ok(self.0.text(text))
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any valid JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(self.text(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let open = &self.0.items;
        let start = open.borrow().len();
        while let Some(item) = items.next_element_seed(self)? {
            open.borrow_mut().push(item);
        }
        Ok(Value::Array(open.borrow_mut().drain(start..).collect()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let open = &self.0.entries;
        let start = open.borrow().len();
        while let Some(key) = entries.next_key_seed(KeyReader(self))? {
            let value = entries.next_value_seed(self)?;
            open.borrow_mut().push((key, value));
        }
        Ok(Value::Object(Map::new(open.borrow_mut().drain(start..).collect())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        use serde_json::Value as Json;
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<u64>().prop_map(Json::from),
            any::<f64>().prop_map(Json::from),
            ".{0,6}".prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
                prop::collection::btree_map("[a-c~/]{0,3}", inner, 0..6)
                    .prop_map(|map| Json::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// Whatever serde_json reads is read alike, is written alike, and is found at the same places.
        #[test]
        fn it_is_serde_json_s_value(json in any_json(), pointer in "(/[a-c0-2~/]{0,2}){0,3}") {
            let text = json.to_string();
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            // Not the text itself: a fraction may be read as its neighbour (without the feature `float_roundtrip`).
            prop_assert_eq!(Value::from(json.clone()).to_string(), json.to_string());
            let value: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&value, &Value::from(json.clone()));
            prop_assert_eq!(&serde_json::Value::from(&value), &json);
            prop_assert_eq!(value.pointer(&pointer).map(Value::to_string), json.pointer(&pointer).map(|at| at.to_string()));
        }
    }

    #[test]
    fn of_a_key_that_is_written_twice_the_last_counts() {
        let value: Value = serde_json::from_str(r#"{"b":1,"a":2,"b":3}"#).unwrap();
        assert_eq!(value.to_string(), r#"{"a":2,"b":3}"#);
    }
}
