//! The page without a browser: who is answered, what a participant is told before the answer, and a class.

use futures::{StreamExt, stream};
use lab::{recording::Recording, scenario, scenario::Truth, score::Outcome, suite_log, train::Course, variant};
use lab_tests::{
    Folder, culprit, folder,
    page::{Page, Visitor},
    root, run,
};
use reqwest::{StatusCode, header};

const LAB: &str = env!("CARGO_BIN_EXE_lab-under-test");

fn number_of(name: &str) -> usize {
    let course = Course::of(&scenario::list(&root()).expect("scenarios"));
    course.find(name).expect("a lesson").number
}

/// The list of all causes, which is on every incident's page alike.
fn without_choices(page: &str) -> String {
    let (before, rest) = page.split_once("<datalist id=\"causes\">").expect("the choices");
    let (_, after) = rest.split_once("</datalist>").expect("their end");
    format!("{before}{after}")
}

/// What would give a scenario away: its causes by id and title, its own title, and its name where it says more than a word.
fn secrets(scenario: &scenario::Scenario) -> Vec<String> {
    let mut secrets = vec![scenario.title.clone()];
    if let Truth::Roots(roots) = &scenario.truth {
        for root in roots {
            let reference = diagnoser::causes::references().into_iter().find(|known| known.id == root.cause);
            let title = reference.expect("a known cause").title;
            secrets.extend([root.cause.clone(), title.lines().next().expect("a title").to_owned()]);
        }
        secrets.extend(Some(scenario.name.clone()).filter(|name| name.contains('-')));
    }
    secrets
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_told_the_truth_before_the_answer() {
    let cache = Folder::new();
    let page = Page::serve(LAB, &folder(), cache.path());
    let scenarios = scenario::list(&root()).expect("scenarios");
    let course = Course::of(&scenarios);
    let visitor = Visitor::of(&page);
    let mut catalogue = String::new();
    for path in ["", "board", "live"] {
        catalogue.push_str(&visitor.get(path).await.1);
    }
    let check = async |scenario: &scenario::Scenario| {
        let number = course.find(&scenario.name).expect("a lesson").number;
        let (status, incident) = visitor.get(&format!("incidents/{number}")).await;
        assert_eq!(status, StatusCode::OK, "{}: {incident}", scenario.name);
        let index = visitor.get(&format!("incidents/{number}/evidence")).await.1;
        for secret in secrets(scenario) {
            for (what, text) in [("incident", without_choices(&incident)), ("evidence", index.clone())] {
                assert!(!text.contains(&secret), "{}: the {what} page says `{secret}`", scenario.name);
            }
            assert!(!catalogue.contains(&secret), "{}: the catalogue says `{secret}`", scenario.name);
            // All of the evidence at once: nothing in it has these words.
            let found = visitor.client.get(page.at(&format!("incidents/{number}/evidence"))).query(&[("q", &secret)]);
            let found = found.send().await.expect("an answer").text().await.expect("text");
            assert!(found.contains("<h2>0 lines"), "{}: the evidence says `{secret}`", scenario.name);
        }
        // Hints may say much, and never the cause.
        for refused in ["lead", "lead?key=0"] {
            assert_eq!(visitor.get(refused).await.0, StatusCode::FORBIDDEN);
        }
    };
    let recorded = scenarios.iter().filter(|scenario| root().recordings().join(&scenario.name).is_dir());
    stream::iter(recorded).for_each_concurrent(2, check).await;
}

#[tokio::test]
async fn only_pages_of_this_server_are_answered() {
    let cache = Folder::new();
    let page = Page::serve(LAB, &folder(), cache.path());
    let visitor = Visitor::of(&page);
    let foreign =
        visitor.client.get(page.at("")).header(header::HOST, "lab.example.test").send().await.expect("refused");
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    for origin in [None, Some("http://lab.example.test"), Some("null")] {
        let mut post = visitor.client.post(page.at("join")).form(&[("name", "Ada")]);
        if let Some(origin) = origin {
            post = post.header(header::ORIGIN, origin);
        }
        assert_eq!(post.send().await.expect("refused").status(), StatusCode::FORBIDDEN, "{origin:?}");
    }
    let (status, text) = visitor.post("join", &[("name", "<b>Ada</b>")]).await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains("&lt;b&gt;Ada&lt;&#x2f;b&gt;"), "{text}");
    for nowhere in [
        "incidents/0",
        "incidents/9999",
        "incidents/x",
        "incidents/1/evidence/file/../meta.json",
        "incidents/1.0",
        "incidents/1.1000",
        "nothing",
    ] {
        let status = visitor.get(nowhere).await.0;
        assert!(status == StatusCode::NOT_FOUND || status == StatusCode::BAD_REQUEST, "{nowhere}: {status}");
    }
}

#[tokio::test]
async fn hints_answers_and_the_debrief() {
    let subject = culprit("port-mismatch").to_string();
    let cache = Folder::new();
    let page = Page::serve(LAB, &folder(), cache.path());
    let visitor = Visitor::of(&page);
    let at = format!("incidents/{}", number_of("port-mismatch"));
    let scenario = scenario::find(&root(), "port-mismatch").expect("a scenario");
    let (_, before) = visitor.get(&at).await;
    assert!(!before.contains(&scenario.hints[0]) && !before.contains("Debrief"));
    let (_, hinted) = visitor.post(&format!("{at}/hint"), &[]).await;
    assert!(hinted.contains(&scenario.hints[0]) && !hinted.contains(&scenario.hints[1]), "{hinted}");
    let (_, wrong) =
        visitor.post(&format!("{at}/answer"), &[("cause", "process-not-listening"), ("subject", &subject)]).await;
    assert!(wrong.contains("note bad") && !wrong.contains("Debrief"), "{wrong}");
    let answer = [("cause", "service-port-mismatch"), ("subject", subject.as_str())];
    let (_, right) = visitor.post(&format!("{at}/answer"), &answer).await;
    for told in ["Debrief", "Exact, in", "with 1 hint", &scenario.title, "class=\"cross\"", "What was done to it"] {
        assert!(right.contains(told), "`{told}` is not in {right}");
    }
    let object = format!("{at}/evidence/object/{subject}");
    let (_, marked) = visitor.get(&object).await;
    assert!(marked.contains("id=\"-spec-ports-0-targetPort\" class=\"hit\""), "{marked}");
    let (_, others) = Visitor::of(&page).get(&object).await;
    assert!(others.contains("targetPort") && !others.contains("class=\"hit\""), "what decides is for who has answered");
}

#[tokio::test]
async fn a_variant_has_other_names_and_is_answered_by_them() {
    let cache = Folder::new();
    let page = Page::serve(LAB, &folder(), cache.path());
    let visitor = Visitor::of(&page);
    let number = number_of("port-mismatch");
    let at = format!("incidents/{number}.3");
    let (_, first) = visitor.get(&format!("incidents/{number}")).await;
    assert!(first.contains(&format!("href=\"/incidents/{number}.1\"")), "it leads to another variant: {first}");
    let (status, open) = visitor.get(&at).await;
    assert_eq!(status, StatusCode::OK);
    let recorded = culprit("port-mismatch").to_string().replace('/', "&#x2f;");
    assert!(first.contains(&recorded));
    assert!(open.contains("variant 3") && !open.contains(&recorded), "{open}");
    let truth = variant::of(Recording::of(&root(), "port-mismatch").expect("a recording"), 3).scenario.truth;
    let Truth::Roots(roots) = truth else { panic!("{truth}") };
    let subject = roots[0].subject.to_string();
    let answer = [("cause", "service-port-mismatch"), ("subject", subject.as_str())];
    let (_, told) = visitor.post(&format!("{at}/answer"), &answer).await;
    assert!(told.contains("Exact, in") && !told.contains(&recorded), "{told}");
    let catalogue = visitor.get("").await.1;
    assert!(catalogue.contains("<span class=\"tag good\">exact</span>"), "any variant counts: {catalogue}");
}

#[tokio::test]
async fn the_board_shows_what_was_taken_for_what() {
    let row = |name: &str, outcome, truth: &str, said: &str| suite_log::KeptRow {
        name: name.to_owned(),
        outcome,
        truth: truth.to_owned(),
        said: said.to_owned(),
    };
    let rows = vec![
        row("a", Outcome::Exact, "disk-full", "disk-full"),
        row("b", Outcome::Wrong, "disk-full", "process-not-listening"),
        row("c", Outcome::Wrong, "disk-full", "process-not-listening"),
        row("d", Outcome::Wrong, "healthy", "disk-full"),
        row("e", Outcome::Exact, "scaled-to-zero", "scaled-to-zero"),
    ];
    let kept = suite_log::Kept { time: jiff::Timestamp::UNIX_EPOCH, mode: "replay".to_owned(), seconds: 1.0, rows };
    let line = serde_json::to_string(&kept).expect("JSON");
    let cache = Folder::new().with("suites.jsonl", line);
    let page = Page::serve(LAB, &folder(), cache.path());
    let board = Visitor::of(&page).get("board").await.1;
    let row = |truth: &str| {
        let (_, rest) =
            board.split_once(&format!("<th scope=\"row\">{truth}</th>")).unwrap_or_else(|| panic!("{truth}: {board}"));
        rest.split_once("</tr>").expect("a row").0.to_owned()
    };
    // Across: disk-full, healthy, process-not-listening.
    let disk = "<td class=\"number hit\">1</td><td class=\"number\"></td><td class=\"number miss\">2</td>";
    let healthy = "<td class=\"number miss\">1</td><td class=\"number\"></td><td class=\"number\"></td>";
    assert_eq!((row("disk-full").as_str(), row("healthy").as_str()), (disk, healthy));
    assert!(
        board.contains("2 of 5") && !board.contains("scaled-to-zero"),
        "what was never mistaken is left out: {board}"
    );
}

#[tokio::test]
async fn a_class_is_led_and_its_participants_are_not_told() {
    let subject = culprit("port-mismatch").to_string();
    let cache = Folder::new();
    let page = Page::serve(LAB, &folder(), cache.path());
    let (lead, ada) = (Visitor::of(&page), Visitor::of(&page));
    let scenario = scenario::find(&root(), "port-mismatch").expect("a scenario");
    let number = number_of("port-mismatch").to_string();
    ada.post("join", &[("name", "Ada")]).await;
    assert_eq!(ada.post("lead/round", &[("number", &number)]).await.0, StatusCode::FORBIDDEN);
    assert_eq!(lead.open(&page.lead).await.0, StatusCode::OK);
    let (_, led) = lead.post("lead/round", &[("number", &number)]).await;
    assert!(led.contains("Ada") && led.contains(&subject.replace('/', "&#x2f;")), "{led}");

    let at = format!("incidents/{number}");
    assert!(ada.get("").await.1.contains(&format!("The class is on <a href=\"/{at}\"")));
    let (_, before) = ada.get(&at).await;
    assert!(before.contains("the facilitator releases them") && !before.contains(&scenario.hints[0]));
    assert_eq!(ada.post(&format!("{at}/hint"), &[]).await.0, StatusCode::FORBIDDEN);
    assert_eq!(ada.post("lead/hint", &[]).await.0, StatusCode::FORBIDDEN);
    lead.post("lead/hint", &[]).await;
    let (_, released) = ada.get(&at).await;
    assert!(released.contains(&scenario.hints[0]) && !released.contains(&scenario.hints[1]));
    assert!(!without_choices(&released).contains("service-port-mismatch"));

    ada.get(&format!("{at}/evidence/file/traffic.jsonl")).await;
    let wrong = [("cause", "scaled-to-zero"), ("subject", subject.as_str())];
    ada.post(&format!("{at}/answer"), &wrong).await;
    let (_, seen) = lead.get("lead").await;
    assert!(seen.contains("show traffic.jsonl") && seen.contains("answer scaled-to-zero"), "{seen}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let cache = Folder::new();
    let page = Page::serve(LAB, &folder(), cache.path());
    let port = page.address.trim_end_matches('/').rsplit(':').next().expect("a port");
    let answer = run(LAB, &folder(), ["serve", "--web", "--port", port]);
    answer.assert_error(2, &[&format!("port {port} of 127.0.0.1"), "another program listens there", "--port"]);
}
