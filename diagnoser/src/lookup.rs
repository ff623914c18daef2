//! A map for looking things up in, and nothing else: what is found never depends on an order, so it may be a fast one.

use std::{borrow::Borrow, hash::Hash};

/// Values by their keys. What must be gone through in order asks for that.
#[derive(Clone, Debug)]
#[allow(clippy::disallowed_types)]
pub(crate) struct Lookup<K, V>(hashbrown::HashMap<K, V>);

impl<K, V> Default for Lookup<K, V> {
    fn default() -> Self {
        Self(Default::default())
    }
}

impl<K: Eq + Hash, V> FromIterator<(K, V)> for Lookup<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl<K: Eq + Hash, V> Lookup<K, V> {
    /// The value of a key.
    pub(crate) fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0.get(key)
    }

    /// The value of a key, a new one where there was none.
    pub(crate) fn at(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.0.entry(key).or_default()
    }

    /// Sets the value of a key.
    pub(crate) fn put(&mut self, key: K, value: V) {
        self.0.insert(key, value);
    }

    /// The values, in no order, to be changed each for itself.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.values_mut()
    }

    /// All of them, sorted by their keys.
    pub(crate) fn sorted(&self) -> Vec<(&K, &V)>
    where
        K: Ord,
    {
        let mut all: Vec<_> = self.0.iter().collect();
        all.sort_unstable_by_key(|(key, _)| *key);
        all
    }
}
