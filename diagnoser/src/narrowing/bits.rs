//! A set of rows, a bit each: what conjunctions are counted with.

/// A set of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    pub(super) fn none(rows: usize) -> Self {
        Self(vec![0; rows.div_ceil(64)])
    }

    pub(super) fn all(rows: usize) -> Self {
        Self::of(rows, |_| true)
    }

    pub(super) fn of(rows: usize, holds: impl Fn(usize) -> bool) -> Self {
        let mut bits = Self::none(rows);
        (0..rows).filter(|row| holds(*row)).for_each(|row| bits.set(row));
        bits
    }

    pub(super) fn set(&mut self, row: usize) {
        self.0[row / 64] |= 1 << (row % 64);
    }

    pub(super) fn has(&self, row: usize) -> bool {
        self.0[row / 64] >> (row % 64) & 1 == 1
    }

    pub(super) fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a & b).collect())
    }

    pub(super) fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(super) fn count_and(&self, other: &Self) -> usize {
        self.0.iter().zip(&other.0).map(|(a, b)| (a & b).count_ones() as usize).sum()
    }

    pub(super) fn count_and_and(&self, second: &Self, third: &Self) -> usize {
        let pairs = self.0.iter().zip(&second.0);
        pairs.zip(&third.0).map(|((a, b), c)| (a & b & c).count_ones() as usize).sum()
    }
}
