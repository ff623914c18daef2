//! Files as nobody wrote them: bytes changed, pieces taken away, doubled or moved, other files' pieces put in, numbers and words
//! that programs stumble over.

/// What is put in place of something: edges of numbers, of texts, and of the formats' own signs.
const AWKWARD: [&str; 24] = [
    "0",
    "-1",
    "18446744073709551616",
    "1e999",
    "NaN",
    "\"\"",
    "null",
    "[]",
    "{}",
    "\u{0}",
    "\u{feff}",
    "\u{202e}é",
    "\\ud800",
    "/",
    "~1",
    ":",
    "%",
    "255.255.255.255/33",
    "::/0",
    "fe80::1%eth0",
    "99999999999999999999d",
    "2026-99-99T99:99:99Z",
    "(((((((((((((((((((((((((((((",
    "\t\r\n",
];

/// The text with some changes; `other` is what pieces are taken from.
pub fn mutated(text: &str, other: &str, chance: &mut fastrand::Rng) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..1 << chance.u32(0..5) {
        let (from, to) = span(&bytes, chance);
        match chance.u8(..8) {
            0 => drop(bytes.drain(from..to)),
            1 => drop(bytes.splice(from..to, AWKWARD[chance.usize(..AWKWARD.len())].bytes())),
            2 => {
                let piece = bytes[from..to].to_vec();
                drop(bytes.splice(from..from, piece.repeat(chance.usize(1..4))));
            }
            3 => {
                let (a, b) = span(other.as_bytes(), chance);
                drop(bytes.splice(from..to, other.as_bytes()[a..b].iter().copied()));
            }
            4 if from < bytes.len() => bytes[from] = chance.u8(..),
            5 if from < bytes.len() => bytes[from] ^= 1 << chance.u8(..8),
            6 => bytes.truncate(to),
            _ => words(&mut bytes, chance),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A stretch, mostly a short one.
fn span(bytes: &[u8], chance: &mut fastrand::Rng) -> (usize, usize) {
    let from = chance.usize(..=bytes.len());
    let most = if chance.u8(..4) == 0 { 400 } else { 12 };
    (from, (from + chance.usize(..most)).min(bytes.len()))
}

/// A whole word in place of another.
fn words(bytes: &mut Vec<u8>, chance: &mut fastrand::Rng) {
    let at = chance.usize(..=bytes.len());
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric();
    let from = bytes[..at].iter().rposition(|byte| !is_word(byte)).map_or(0, |place| place + 1);
    let to = bytes[at..].iter().position(|byte| !is_word(byte)).map_or(bytes.len(), |length| at + length);
    drop(bytes.splice(from..to, AWKWARD[chance.usize(..AWKWARD.len())].bytes()));
}
