//! Names that can be spoken and say nothing.

use std::collections::BTreeSet;

const SYLLABLES: [&str; 24] = [
    "ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "qui", "ro", "su", "ta", "ve", "wi", "xo",
    "yu", "zan", "mer", "tol", "bri",
];

/// A source of names, each given once.
#[derive(Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// A new name. Every two differ in more than a letter, so that none reads like a slip of another.
    pub fn next(&mut self, chance: &mut fastrand::Rng) -> String {
        loop {
            let syllables = if self.0.len() < 400 { 3 } else { 4 };
            let name: String = (0..syllables).map(|_| SYLLABLES[chance.usize(..SYLLABLES.len())]).collect();
            let near = self.0.len() < 400 && self.0.iter().any(|other| strsim::levenshtein(other, &name) <= 2);
            if !near && self.0.insert(name.clone()) {
                return name;
            }
        }
    }
}

/// Letters and digits as Kubernetes draws them, without vowels and what is easily mistaken
/// (k8s.io/apimachinery/pkg/util/rand).
pub(super) fn suffix(chance: &mut fastrand::Rng, length: usize) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    (0..length).map(|_| char::from(ALPHABET[chance.usize(..ALPHABET.len())])).collect()
}

/// A UUID.
pub(super) fn uid(chance: &mut fastrand::Rng) -> String {
    let (high, low) = (chance.u64(..), chance.u64(..));
    let (a, b, c) = (high >> 32, high >> 16 & 0xffff, high & 0xfff);
    format!("{a:08x}-{b:04x}-4{c:03x}-a{:03x}-{:012x}", low >> 52, low & 0xffff_ffff_ffff)
}
