//! `lab train` as a whole program, its lines from a pipe: every recording can be trained on, nothing gives the truth away
//! before it was found, and what is kept is whole whatever happens.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::symlink,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use lab::{
    scenario::{self, Scenario, Truth},
    train::{
        Brief, Course, Exercise,
        progress::{self, Progress},
    },
    variant,
};
use lab_tests::{Answer, Folder, culprit, folder, recorded, root, run};

const LAB: &str = env!("CARGO_BIN_EXE_lab-under-test");
const FILE: &str = "chaos-replay-lab/progress.json";

/// The program, with its progress and its temporary files in a folder of the test's.
fn command(home: &Folder, arguments: &[&str]) -> Command {
    let mut command = Command::new(LAB);
    command.arg("train").args(arguments).current_dir(folder()).env_remove("LAB_ROOT").env_remove("RUST_LOG");
    command.env("XDG_DATA_HOME", home.path()).env("TMPDIR", home.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it with these lines.
fn train(home: &Folder, arguments: &[&str], lines: &[&str]) -> Answer {
    answered(command(home, arguments), lines)
}

fn answered(mut command: Command, lines: &[&str]) -> Answer {
    let mut child = command.spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("stdin");
    // Who ends before it has read everything is no error of the test's.
    drop(stdin.write_all((lines.join("\n") + "\n").as_bytes()));
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Answer { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

fn kept(home: &Folder) -> Progress {
    Progress::load(&home.path().join(FILE)).expect("it can be read")
}

/// The truth of a variant, as a trainee would answer it.
fn right_answer(scenario: &Scenario) -> String {
    match &scenario.truth {
        Truth::Healthy => "answer healthy".to_owned(),
        Truth::Roots(roots) => {
            let claims: Vec<String> = roots.iter().map(|root| format!("{}, {}", root.cause, root.subject)).collect();
            format!("answer {}", claims.join("; "))
        }
    }
}

include!(concat!(env!("OUT_DIR"), "/recordings.rs"));

/// Hints, a wrong answer, the right one, the debrief: of one recording, in a variant of every other one, on a machine that has
/// neither an engine nor any other program. Nothing gives the truth away before it was answered.
fn check(name: &str) {
    let home = &Folder::new();
    let seed = name.len() as u64 % 2 * 3;
    let recording = lab::recording::Recording::of(&root(), name).expect("a recording");
    let recording = variant::of(recording, seed);
    let Scenario { title, hints, truth, .. } = &recording.scenario;
    let wrong = match truth {
        Truth::Healthy => {
            let machine = recording.evidence.keys().find_map(|file| file.strip_prefix("hosts/")?.split('/').next());
            format!("answer uptime cron job interference, host/{}", machine.unwrap_or_default())
        }
        Truth::Roots(_) => "answer healthy".to_owned(),
    };
    let right = right_answer(&recording.scenario);
    let mut lines = vec!["show", "show requests", "show probes", &wrong];
    lines.extend(hints.iter().map(|_| "hint"));
    lines.push(&right);
    let mut bare = command(home, &[name, "--seed", &seed.to_string()]);
    bare.env("PATH", home.path()).env("HOME", home.path()).env("LAB_CACHE", home.path().join("cache"));
    bare.env("DOCKER_HOST", format!("unix://{}", home.path().join("none.sock").display())).env_remove("KUBECONFIG");
    let answer = answered(bare, &lines);
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "{name}: {answer:?}");
    let (before, after) = answer.stdout.split_once(&format!("train> {right}")).expect("the answer is shown");
    assert!(before.contains("Somebody does suffer") || before.contains("Who suffers from it now?"), "{name}: {before}");
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        before.starts_with('[') && words(before).contains("\" called "),
        "{name}: the pager says nothing: {before}"
    );
    assert!(hints.iter().all(|hint| words(before).contains(&words(hint))), "{name}: a hint is not given: {before}");
    assert!(!before.contains(title), "{name}: the title was shown before the answer");
    for root in match truth {
        Truth::Healthy => &[][..],
        Truth::Roots(roots) => roots,
    } {
        assert!(!before.contains(&root.cause), "{name}: {} was shown before the answer:\n{before}", root.cause);
        assert!(after.contains(&format!("{} in {}", root.cause, root.subject)), "{name}: {after}");
    }
    let told = ["Exact, in", title, "how an expert would have narrowed it", "what you said"];
    assert!(told.iter().all(|word| words(after).contains(word)), "{name}: {after}");
    let records = kept(home).records;
    assert!(
        matches!(&records[..], [record] if record.found && record.points < 100 && record.seed == seed),
        "{records:?}"
    );
}

#[test]
fn a_wrong_answer_is_explained_and_an_unclear_one_is_asked_about() {
    let home = Folder::new();
    let answer = train(
        &home,
        &["port-mismatch", "--seed", "0"],
        &[
            "answer port mismatch",
            "answer qwertz, service/web",
            "answer port mismatch, service/nobody",
            "answer process not listening, pod/web",
            "answer selector mismatch, service/web",
            "answer port mismatch, service/api",
            "give up",
        ],
    );
    assert_eq!(answer.code, 1, "{answer:?}");
    for word in [
        "Where? Name the object as well",
        "No cause is called \"qwertz\"",
        "Nothing here is called \"service/nobody\"",
        "The failing requests do end there",
        "it is, and something else is wrong with it",
        &format!("speaks against process-not-listening: pod/{}/web-", culprit("port-mismatch").namespace()),
        "That is what is wrong, and not with",
        "Given up after",
        "0 of 100 points",
        "timing: at once means",
    ] {
        assert!(answer.stdout.contains(word), "`{word}` is not in:\n{}", answer.stdout);
    }
    let record = &kept(&home).records[0];
    assert_eq!((record.found, record.points, record.answers), (false, 0, 3), "what was unclear does not count");
}

#[test]
fn noise_half_the_answer_and_the_symptom_are_told_from_the_root() {
    let home = Folder::new();
    let said = |name: &str, line: &str| {
        let answer = train(&home, &[name, "--seed", "0"], &[line, "quit"]);
        answer.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let noise = said("healthy-noisy", "answer scaled to zero, deployment/reports");
    assert!(noise.contains("That is so, and nobody suffers from it"), "{noise}");
    let half = said("two-faults-502", "answer port mismatch, service/web");
    assert!(half.contains("Right.") && half.contains("That is not all"), "{half}");
    let both = said("two-faults-502", "answer port mismatch, service/web; disk full, service/web");
    assert!(both.contains("disk-full in service/") && !both.contains("That is not all"), "{both}");
    let symptom = said("kafka-disk-full", "answer process not listening, name/broker-1.example.test");
    assert!(symptom.contains("That is the symptom"), "{symptom}");
}

#[test]
fn a_variant_is_replayed_and_is_the_same_every_time() {
    let variant = |seed| run(LAB, &folder(), ["scenario", "port-mismatch", "--format", "json", "--seed", seed]);
    let (one, again, other) = (variant("3").json(), variant("3").json(), variant("4").json());
    assert_eq!((&one["score"]["outcome"], &one["diagnosis"]), (&"exact".into(), &again["diagnosis"]));
    assert_ne!(one["diagnosis"], other["diagnosis"]);
    assert!(!one.to_string().contains("/web\""), "{one}");
}

#[test]
fn what_the_prompt_does_not_know_is_said_and_the_exercise_goes_on() {
    let service = culprit("port-mismatch");
    let home = Folder::new();
    let answer = train(
        &home,
        &["port-mismatch"],
        &[
            "rm -rf /",
            "show nowhere",
            "show lab-worker sss",
            "show requests | sh",
            "kubectl --context production get pods",
            "kubectl get pods --server=https://elsewhere",
            &format!("show {service} | grep -c x"),
            &format!("show {service} | grep targetPort"),
            "quit",
        ],
    );
    assert_eq!(answer.code, 1, "{answer:?}");
    for word in [
        "no command `rm`",
        "no machine `nowhere`",
        "no reading `sss`; did you mean `ss`?",
        "only grep WORD",
        "kubectl --context: this kubectl looks at the exercise only",
        "kubectl --server=https://elsewhere: this kubectl looks at the exercise only",
    ] {
        assert!(answer.stderr.contains(word), "`{word}` is not in:\n{}", answer.stderr);
    }
    assert!(answer.stdout.contains("targetPort: 8080"), "{answer:?}");
    assert_eq!(kept(&home), Progress::default(), "who leaves keeps nothing");
}

#[test]
fn kubectl_reads_the_recording_and_counts_as_a_look() {
    if Command::new("kubectl").arg("version").arg("--client").output().is_err() {
        return;
    }
    let home = Folder::new();
    let answer =
        train(&home, &["port-mismatch"], &["kubectl get endpointslices -A", "kubectl delete pods --all -A", "give up"]);
    assert!(answer.stdout.contains("ADDRESSTYPE") && answer.stdout.contains("IPv4"), "{answer:?}");
    assert!(answer.stdout.contains("  kubectl get endpointslices -A\n"), "{answer:?}");
    assert!(!answer.stdout.contains("endpoints: empty, unready"), "it was looked at: {answer:?}");
    assert!(!answer.stdout.contains("deleted"), "{answer:?}");
    let left =
        fs::read_dir(home.path()).expect("a folder").flatten().filter(|entry| entry.file_name() != "chaos-replay-lab");
    assert_eq!(left.count(), 0, "the kubeconfig is gone");
}

#[test]
fn what_was_weakest_is_next_and_no_name_is_told() {
    let home = Folder::new();
    train(&home, &["kafka-broker-down"], &["give up"]);
    let standings = train(&home, &["--progress"], &[]);
    assert!(standings.stdout.contains("1 of ") && standings.stdout.contains("kafka"), "{standings:?}");
    let next = train(&home, &["--next", "--tag", "kafka"], &["hint"]);
    assert!(next.stderr.contains("Chosen: your weakest is"), "{next:?}");
    assert!(!recorded().iter().any(|name| name.contains('-') && next.stdout.contains(name.as_str())), "{next:?}");
    let numbered = train(&home, &["1"], &["quit"]);
    assert!(numbered.stdout.starts_with("[1 of "), "{numbered:?}");
    train(&home, &["no-such-scenario"], &[]).assert_error(2, &["no scenario `no-such-scenario`", "docs/course.md"]);
    train(&home, &["--random", "--tag", "kafca"], &[]).assert_error(2, &["no tag `kafca`; did you mean `kafka`?"]);
}

#[test]
fn broken_progress_is_reported_and_left_alone() {
    let home = Folder::new().with(FILE, "{\"format\": 1,\n \"records\": [{]}");
    train(&home, &["--progress"], &[]).assert_error(2, &["progress.json:2:", "it is left as it is"]);
    train(&home, &["--next"], &["hint"]).assert_error(2, &["progress.json:2:"]);
    let text = fs::read_to_string(home.path().join(FILE)).expect("it is there");
    assert_eq!(text, "{\"format\": 1,\n \"records\": [{]}");
}

#[test]
fn a_full_disk_is_said_and_what_was_kept_stays() {
    let home = Folder::new();
    train(&home, &["port-mismatch"], &["give up"]);
    let before = kept(&home);
    // The new text is written beside the old one; here that is a device on which there is never room.
    symlink("/dev/full", home.path().join("chaos-replay-lab/progress.new")).expect("a link");
    let answer = train(&home, &["port-mismatch"], &["give up"]);
    assert_eq!(answer.code, 2, "{answer:?}");
    assert!(answer.stdout.contains("Given up after"), "the debrief is shown all the same: {answer:?}");
    assert!(answer.stderr.contains("was not kept: No space left on device"), "{answer:?}");
    assert_eq!(kept(&home), before);
}

#[test]
fn records_that_are_added_at_once_are_all_kept() {
    let home = Folder::new();
    train(&home, &["port-mismatch"], &["give up"]);
    let record = kept(&home).records[0].clone();
    let file = home.path().join(FILE);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| progress::add(&file, record.clone()).expect("it is kept"));
        }
    });
    assert_eq!(kept(&home).records.len(), 9);
}

#[test]
fn interrupted_it_ends_and_keeps_nothing() {
    let home = Folder::new();
    train(&home, &["port-mismatch"], &["give up"]);
    let before = kept(&home);
    for signal in ["INT", "TERM", "HUP"] {
        let mut child = command(&home, &["port-mismatch"]).spawn().expect("the program starts");
        let mut stdin = child.stdin.take().expect("stdin");
        stdin.write_all(b"kubectl get nodes\nhint\n").expect("it reads");
        wait_for(&mut child, "train> hint");
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()).status().expect("kill");
        assert!(sent.success());
        let status = child.wait().expect("it ends");
        assert_eq!(status.code(), Some(130), "{signal}");
        let mut said = String::new();
        std::io::Read::read_to_string(&mut child.stderr.take().expect("stderr"), &mut said).expect("words");
        assert!(said.contains("interrupted; nothing of this exercise is kept"), "{signal}: {said}");
        assert_eq!(kept(&home), before, "{signal}");
        assert_eq!(temporary(home.path()), 0, "{signal}: nothing is left of kubectl's");
    }
}

/// What is told before the first look says nothing of whether anything is wrong: for whatever a control is told by there are
/// as many incidents at least, of the same system, with the same tags and as many hints.
#[test]
fn no_brief_tells_a_control_from_an_incident() {
    let scenarios = scenario::list(&root()).expect("scenarios");
    let course = Course::of(&scenarios);
    let told = |scenario: &Scenario, seed: u64| {
        let exercise = Exercise::load(&root(), &course, &scenario.name, seed).expect("an exercise");
        let brief = exercise.brief();
        let host =
            brief.message.split([' ', '/', '@', ':', ',']).find(|word| word.ends_with(".test")).map(str::to_owned);
        let asked = ["probes.json", "traffic.jsonl"].map(|file| exercise.files.get(file).map_or("", String::as_str));
        let seen = host.is_none_or(|host| asked.iter().any(|text| text.contains(&host)));
        assert!(seen, "{}: nobody has asked for what is said: {}", scenario.name, brief.message);
        assert!(brief.called.is_some(), "{}: one is called at some time", scenario.name);
        brief
    };
    // Where in the cluster a world was set up stands in its names and says nothing.
    let form = |scenario: &Scenario| {
        let Brief { message, system, tags, hints, kubernetes, .. } = told(scenario, 0);
        (
            ["-b.", "-c.", "-d."].iter().fold(message, |text, place| text.replace(place, ".")),
            system,
            tags,
            hints,
            kubernetes,
        )
    };
    let recorded = scenarios.iter().filter(|scenario| root().recordings().join(&scenario.name).is_dir());
    let (controls, incidents): (Vec<_>, Vec<_>) = recorded.partition(|scenario| scenario.truth == Truth::Healthy);
    let incidents: Vec<_> = incidents.into_iter().map(form).collect();
    let count = |told: &[_], one: &_| told.iter().filter(|other| *other == one).count();
    let forms: Vec<_> = controls.iter().map(|scenario| form(scenario)).collect();
    for (scenario, one) in controls.iter().zip(&forms) {
        assert!(count(&forms, one) <= count(&incidents, one), "{}: only a control is told so: {one:?}", scenario.name);
        told(scenario, 3);
    }
}

/// Reads what it prints until these words come.
fn wait_for(child: &mut Child, words: &str) {
    let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    assert!(lines.any(|line| line.is_ok_and(|line| line.contains(words))), "it ended before `{words}`");
}

fn temporary(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("lab-train-")).count()
}

#[test]
fn numbers_and_difficulties_are_the_same_every_time_and_in_order() {
    let scenarios = scenario::list(&root()).expect("scenarios");
    let course = Course::of(&scenarios);
    let reversed: Vec<Scenario> = scenarios.iter().rev().cloned().collect();
    assert_eq!(course, Course::of(&reversed), "whatever the order they are read in");
    let hard: Vec<f64> = course.lessons.iter().map(|lesson| lesson.difficulty.total()).collect();
    assert!(hard.windows(2).all(|pair| pair[0] <= pair[1]) && hard.iter().all(|hard| *hard >= 1.0), "{hard:?}");
    assert!(course.lessons.iter().zip(1..).all(|(lesson, number)| lesson.number == number));
}
