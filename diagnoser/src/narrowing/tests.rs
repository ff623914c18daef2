//! Planted conditions are recovered, chance is not taken for one, and bounds are round.

use proptest::prelude::*;

use super::*;

/// A small generator of numbers: the tests of a pure room bring their own.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn second(n: i64) -> Value {
    Value::Time(jiff::Timestamp::from_second(1_700_000_000 + n).unwrap_or_default())
}

fn table(names: &[&str], rows: Vec<(Vec<Value>, bool)>) -> Table {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let rows: Vec<_> =
        rows.into_iter().map(|(values, failed)| (values.into_iter().map(Some).collect(), failed)).collect();
    Table::new(&names, &rows)
}

fn says(table: &Table) -> String {
    narrow(table).map_or_else(|| "nothing".to_owned(), |scope| scope.says())
}

#[test]
fn a_large_body_from_one_zone() {
    let mut rows = Vec::new();
    for n in 0..120 {
        let (zone, bytes) = (["a", "b"][n % 2], [0.0, 16.0, 2_000_000.0][n % 3]);
        let method = if bytes > 0.0 { "POST" } else { "GET" };
        let values = vec![Value::Text(method.into()), Value::Number(bytes), Value::Text(zone.into()), second(n as i64)];
        rows.push((values, bytes > 1e6 && zone == "b"));
    }
    assert_eq!(says(&table(&["method", "bytes", "zone", "time"], rows)), "over 1 MB, zone b");
}

#[test]
fn a_window_of_time_and_one_that_comes_again() {
    let rows = |fails: &dyn Fn(i64) -> bool| {
        (0..400).map(|n| (vec![Value::Text(["x", "y", "z"][n as usize % 3].into()), second(n)], fails(n))).collect()
    };
    // 1_700_000_000 is 22:13:20Z.
    let once = table(&["path", "time"], rows(&|n| (100..160).contains(&n)));
    assert_eq!(says(&once), "22:15:00Z to 22:16:00Z");
    let again = table(&["path", "time"], rows(&|n| (n + 20) % 60 < 15));
    assert_eq!(says(&again), "every 1 min, 0 s into it, for 14 s");
}

#[test]
fn one_pod_of_three_that_fails_half_of_the_time() {
    let mut dice = Dice(7);
    let rows = (0..90).map(|n| {
        let pod = ["a", "b", "c"][n % 3];
        (vec![Value::Text(pod.into()), Value::Text(format!("n{}", n % 2))], pod == "b" && dice.roll(2) == 0)
    });
    assert_eq!(says(&table(&["pod", "node"], rows.collect())), "pod b");
}

#[test]
fn a_few_failures_separate_nothing() {
    let rows = (0..60).map(|n| (vec![Value::Text(format!("p{}", n % 20))], n % 20 == 0)).collect();
    assert_eq!(says(&table(&["path"], rows)), "nothing");
}

/// Ten attributes of as many kinds as requests have.
fn request(dice: &mut Dice, n: i64) -> Vec<Value> {
    let mut values: Vec<Value> = (2..9).map(|sides| Value::Text(format!("v{}", dice.roll(sides)))).collect();
    #[allow(clippy::cast_precision_loss)]
    values.extend([dice.roll(1000) as f64, dice.roll(1_000_000) as f64].map(Value::Number));
    values.push(second(n));
    values
}

const NAMES: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "x", "bytes", "time"];

/// Whether a request lies in the planted scope.
fn planted(values: &[Value], columns: &[usize]) -> bool {
    columns.iter().all(|column| match &values[*column] {
        Value::Text(text) => text == "v1",
        Value::Number(number) => *number > if *column == 7 { 600.0 } else { 700_000.0 },
        Value::Time(_) => false,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_planted_conjunction_is_recovered(seed in any::<u64>(), columns in prop::collection::btree_set(0usize..9, 1..=3)) {
        let mut dice = Dice(seed);
        let columns: Vec<usize> = columns.into_iter().collect();
        let rows: Vec<(Vec<Value>, bool)> = (0..10_000).map(|n| {
            let values = request(&mut dice, n);
            let noise = dice.roll(50) == 0;
            let failed = planted(&values, &columns) != noise;
            (values, failed)
        }).collect();
        let inside = rows.iter().filter(|(values, _)| planted(values, &columns)).count();
        prop_assume!(inside >= 80);
        let scope = narrow(&table(&NAMES, rows)).expect("something separates them");
        let found: Vec<&str> = scope.conditions.iter().map(|condition| match condition {
            Condition::Is { attribute, value } => { assert_eq!(value, "v1"); attribute.as_str() }
            Condition::Range { attribute, from, to } => {
                let planted = if attribute == "x" { 600.0 } else { 700_000.0 };
                assert!(to.is_none() && from.is_some_and(|from| (from - planted).abs() < 0.05 * planted), "{condition}");
                attribute.as_str()
            }
            _ => "time",
        }).collect();
        let wanted: Vec<&str> = columns.iter().map(|column| NAMES[*column]).collect();
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn chance_separates_nothing(seed in any::<u64>(), rows in 20i64..3000, often in 2u64..40) {
        let mut dice = Dice(seed);
        let rows = (0..rows).map(|n| { let values = request(&mut dice, n); (values, dice.roll(often) == 0) }).collect();
        prop_assert_eq!(says(&table(&NAMES, rows)), "nothing");
    }
}
