//! The page in a real browser. Run by `.ci/run`, or by hand, with where axe-core is, and where the picture for the README goes:
//! `AXE=axe.min.js PICTURE=docs/page.png cargo test -p lab-tests --test browser -- --ignored` (needs chromium, chromium-driver).

use std::{env, fs, path::Path};

use lab::{
    events::{Event, Journal, Stage},
    follow::Followed,
    scenario,
    train::Course,
};
use lab_tests::{
    Folder,
    browser::Browser,
    culprit, folder,
    page::{Page, Visitor},
    root,
};
use serde_json::Value;
use thirtyfour::prelude::*;

const LAB: &str = env!("CARGO_BIN_EXE_lab-under-test");
/// The first paint, from the moment the browser asks.
const MOST_MILLISECONDS: f64 = 300.0;

async fn go(browser: &Browser, address: &str) {
    browser.driver.goto(address).await.expect("a page");
}

async fn find(browser: &Browser, css: &str) -> WebElement {
    browser.driver.query(By::Css(css)).first().await.unwrap_or_else(|error| panic!("{css}: {error}"))
}

/// Follows a link or sends a form, and returns when the page is left: what is found afterwards is of the next one.
async fn follow(browser: &Browser, css: &str, by: impl AsyncFnOnce(WebElement) -> WebDriverResult<()>) {
    let left = find(browser, "html").await;
    let element = find(browser, css).await;
    element.scroll_into_view().await.expect("into view");
    by(element).await.unwrap_or_else(|error| panic!("{css}: {error}"));
    left.wait_until().stale().await.unwrap_or_else(|error| panic!("{css} leads nowhere: {error}"));
}

async fn click(browser: &Browser, css: &str) {
    follow(browser, css, async |element| element.click().await).await;
}

async fn write(browser: &Browser, css: &str, text: &str) {
    let field = find(browser, css).await;
    field.clear().await.expect("a field");
    field.send_keys(text).await.expect("a field");
}

async fn reads(browser: &Browser, css: &str) -> String {
    find(browser, css).await.text().await.expect("text")
}

/// What axe-core finds wrong on the page that is open.
async fn violations(browser: &Browser, axe: &str) -> Vec<String> {
    browser.driver.execute(axe, vec![]).await.expect("axe-core");
    let run = "const done = arguments[0]; axe.run().then((found) => done(found.violations))";
    let found = browser.driver.execute_async(run, vec![]).await.expect("a result").json().clone();
    let each = found.as_array().expect("a list").iter().map(|one| {
        let nodes = one["nodes"].as_array().expect("nodes").iter().map(|node| node["html"].to_string());
        format!("{} {}: {}", one["impact"], one["id"], nodes.take(3).collect::<Vec<_>>().join(" "))
    });
    each.collect()
}

async fn milliseconds_to_paint(browser: &Browser) -> f64 {
    let script =
        "return performance.getEntriesByName('first-contentful-paint').map((entry) => entry.startTime)[0] ?? null";
    // The entry is there a moment after the paint.
    for _ in 0..50 {
        let painted: Value = browser.driver.execute(script, vec![]).await.expect("a result").json().clone();
        if let Some(painted) = painted.as_f64() {
            return painted;
        }
        browser.driver.execute_async("requestAnimationFrame(() => arguments[0]())", vec![]).await.expect("a frame");
    }
    panic!("nothing was painted");
}

#[tokio::test]
#[ignore = "needs Chromium, and axe-core in AXE"]
async fn from_the_catalogue_to_the_debrief() {
    let axe = fs::read_to_string(env::var_os("AXE").expect("AXE is where axe.min.js is")).expect("axe-core");
    let (cache, profile) = (Folder::new(), Folder::new());
    let page = Page::serve(LAB, &folder(), cache.path());
    let browser = Browser::start(profile.path()).await;
    let scenario = scenario::find(&root(), "port-mismatch").expect("a scenario");
    let course = Course::of(&scenario::list(&root()).expect("scenarios"));
    let number = course.find(&scenario.name).expect("a lesson").number;
    browser.look(1280, 900, "light").await;

    // The catalogue, narrowed down by what is seen, from the keyboard alone.
    go(&browser, &page.at("")).await;
    find(&browser, "select[name=symptom]").await.send_keys("http 502").await.expect("a choice");
    click(&browser, "form[role=search] button").await;
    let incident = format!("a[href='/incidents/{number}']");
    follow(&browser, &incident, async |link| link.send_keys(Key::Enter).await).await;

    // A hint, a wrong answer, the right one, the debrief.
    assert!(reads(&browser, "h1").await.contains("502"));
    click(&browser, "form[action$='/hint'] button").await;
    assert!(reads(&browser, "ol.hints").await.contains(&scenario.hints[0]));
    write(&browser, "[name=cause]", "process not listening").await;
    write(&browser, "[name=subject]", &culprit("port-mismatch").to_string()).await;
    click(&browser, "form[action$='/answer'] button").await;
    assert!(!reads(&browser, ".note.bad").await.is_empty());
    assert!(browser.driver.query(By::Css("svg .cross")).nowait().not_exists().await.expect("an answer"));
    write(&browser, "[name=cause]", "port mismatch").await;
    click(&browser, "form[action$='/answer'] button").await;
    assert!(reads(&browser, ".note.good").await.starts_with("Exact"));
    find(&browser, "svg .cross").await;
    click(&browser, "#answer dl.facts a").await;
    find(&browser, "pre.file .hit").await;

    // Every page in both schemes and at both widths: nothing that is wrong for who cannot see or point.
    go(&browser, &page.lead).await;
    let pages = [
        "".to_owned(),
        format!("incidents/{number}"),
        format!("incidents/{}", number + 1),
        format!("incidents/{number}.2"),
        format!("incidents/{number}/evidence?q=refused"),
        format!("incidents/{number}/evidence/file/traffic.jsonl"),
        "live".to_owned(),
        "board".to_owned(),
        "lead".to_owned(),
    ];
    for (width, scheme) in [(1280, "light"), (390, "dark")] {
        browser.look(width, 900, scheme).await;
        for path in &pages {
            go(&browser, &page.at(path)).await;
            assert_eq!(violations(&browser, &axe).await, Vec::<String>::new(), "/{path}, {scheme}");
            let wide = "return document.documentElement.scrollWidth - window.innerWidth";
            let wide = browser.driver.execute(wide, vec![]).await.expect("a number").json().as_f64();
            assert!(wide.is_some_and(|wide| wide <= 0.0), "/{path} is wider than {width} by {wide:?}");
            keep(&browser, &format!("{}-{scheme}", path.replace(['/', '?', '='], "_"))).await;
        }
    }

    // The page is there at once.
    browser.look(1280, 900, "light").await;
    for path in &pages[..2] {
        let mut best = f64::INFINITY;
        for _ in 0..5 {
            go(&browser, &page.at(path)).await;
            best = best.min(milliseconds_to_paint(&browser).await);
        }
        println!("first paint of /{path}: {best:.0} ms");
        assert!(best < MOST_MILLISECONDS, "/{path}: {best} ms");
    }
    // So is one that nobody has opened yet, once it was aimed at.
    go(&browser, &page.at("")).await;
    let link = format!("a[href='/incidents/{}']", number + 2);
    let aimed = find(&browser, &link).await;
    aimed.scroll_into_view().await.expect("into view");
    browser.driver.action_chain().move_to_element_center(&aimed).perform().await.expect("it is aimed at");
    let ready = "const done = arguments[0]; const look = () => performance.getEntriesByType('resource').some((entry) => entry.name.endsWith('/open') && entry.responseEnd > 0) ? done() : setTimeout(look, 10); look()";
    browser.driver.execute_async(ready, vec![]).await.expect("it is opened");
    click(&browser, &link).await;
    let painted = milliseconds_to_paint(&browser).await;
    println!("first paint of an incident that was aimed at: {painted:.0} ms");
    assert!(painted < MOST_MILLISECONDS, "{painted} ms");

    if let Some(picture) = env::var_os("PICTURE") {
        browser.look(1200, 760, "light").await;
        go(&browser, &page.at(&pages[2])).await;
        let at = folder().join(picture);
        fs::write(at, browser.driver.screenshot_as_png().await.expect("a picture")).expect("it can be written");
    }

    let console: Vec<Value> = browser.log("browser").await;
    assert!(console.iter().all(|entry| entry["level"] != "SEVERE"), "{console:?}");
    let requests = browser.requests().await;
    let elsewhere: Vec<_> = requests.iter().filter(|url| !url.starts_with(&page.address)).collect();
    assert!(!requests.is_empty() && elsewhere.is_empty(), "{elsewhere:?}");
    browser.end().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn what_happens_is_seen_while_it_happens() {
    let (cache, profile) = (Folder::new(), Folder::new());
    let page = Page::serve(LAB, &folder(), cache.path());
    let browser = Browser::start(profile.path()).await;
    go(&browser, &page.at("live")).await;
    let journal = Journal::new(vec![Box::new(Followed::begin(&cache.path().join("newest-run.jsonl")))]);
    let told = async |text: &str| {
        let line =
            browser.driver.query(By::XPath(format!("//ol[@class='live']/li[contains(., '{text}')]"))).first().await;
        line.unwrap_or_else(|error| panic!("{text}: {error}"));
    };
    journal.record(Event::RunStarted { scenario: "port-mismatch".to_owned() });
    told("a run begins").await;
    journal.record(Event::Mutation { what: "targetPort".to_owned(), undo: String::new() });
    journal.record(Event::StageStarted { stage: Stage::Inject });
    told("inject").await;
    journal.record(Event::SymptomSeen { says: "502 in 4 ms".to_owned() });
    told("502 in 4 ms").await;
    let all = reads(&browser, "ol.live").await;
    assert!(!all.contains("port-mismatch") && !all.contains("targetPort"), "who may not know is not told: {all}");
    // The facilitator is told all of it.
    go(&browser, &page.lead).await;
    go(&browser, &page.at("live")).await;
    told("change: targetPort").await;
    browser.end().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn a_class_is_followed_without_reloading() {
    let (cache, profile) = (Folder::new(), Folder::new());
    let page = Page::serve(LAB, &folder(), cache.path());
    let browser = Browser::start(profile.path()).await;
    let course = Course::of(&scenario::list(&root()).expect("scenarios"));
    let lesson = course.find("port-mismatch").expect("a lesson");
    let hint = scenario::find(&root(), "port-mismatch").expect("a scenario").hints.swap_remove(0);
    let at = format!("incidents/{}", lesson.number);
    let shown = async |xpath: String| {
        let found = browser.driver.query(By::XPath(xpath.as_str())).first().await;
        found.unwrap_or_else(|error| panic!("{xpath}: {error}"));
    };
    // A page that was reloaded has forgotten this.
    let mark = async || drop(browser.driver.execute("window.marked = true", vec![]).await.expect("a mark"));
    let is_same =
        async || browser.driver.execute("return window.marked === true", vec![]).await.expect("a mark").json().clone();

    // The facilitator's page shows who comes and what they do.
    go(&browser, &page.lead).await;
    mark().await;
    let (ada, lead) = (Visitor::of(&page), Visitor::of(&page));
    ada.post("join", &[("name", "Ada")]).await;
    shown("//section[@id='participants']//td[text()='Ada']".to_owned()).await;
    ada.get(&at).await;
    let subject = culprit("port-mismatch").to_string();
    ada.post(&format!("{at}/answer"), &[("cause", "disk-full"), ("subject", &subject)]).await;
    shown(format!("//section[@id='participants']//div[contains(., 'answer disk-full, {subject}')]")).await;
    assert_eq!(is_same().await, true);

    // A participant's page shows a hint when it is released, and keeps what is being typed.
    lead.open(&page.lead).await;
    lead.post("lead/round", &[("number", &lesson.number.to_string())]).await;
    go(&browser, &page.at(&at)).await;
    mark().await;
    write(&browser, "[name=cause]", "half an ans").await;
    lead.post("lead/hint", &[]).await;
    shown(format!("//ol[@class='hints']/li[contains(., \"{hint}\")]")).await;
    let typed = find(&browser, "[name=cause]").await.value().await.expect("a value");
    assert_eq!((typed.as_deref(), is_same().await), (Some("half an ans"), true.into()));
    browser.end().await;
}

#[tokio::test]
#[ignore = "needs Chromium"]
async fn a_report_is_one_file() {
    let (place, profile) = (Folder::new(), Folder::new());
    let answer = lab_tests::run(LAB, &folder(), ["report", "port-mismatch", "--format", "html"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let place = place.with("report.html", &answer.stdout);
    let browser = Browser::start(profile.path()).await;
    browser.look(1280, 900, "light").await;
    let address = format!("file://{}", place.path().join("report.html").display());
    go(&browser, &address).await;
    assert!(reads(&browser, ".note.good").await.contains("exact"));
    find(&browser, "svg .cross").await;
    assert!(reads(&browser, "pre.file .hit").await.contains("8080"));
    if let Some(axe) = env::var_os("AXE") {
        let axe = fs::read_to_string(axe).expect("axe-core");
        assert_eq!(violations(&browser, &axe).await, Vec::<String>::new());
    }
    keep(&browser, "report").await;
    let requests = browser.requests().await;
    assert!(requests.iter().all(|url| *url == address), "{requests:?}");
    let console: Vec<Value> = browser.log("browser").await;
    assert!(console.iter().all(|entry| entry["level"] != "SEVERE"), "{console:?}");
    browser.end().await;
}

/// Keeps a picture of what is seen, where SHOTS names a folder for them.
async fn keep(browser: &Browser, name: &str) {
    if let Some(shots) = env::var_os("SHOTS") {
        let file = Path::new(&shots).join(format!("{name}.png"));
        browser.driver.screenshot(&file).await.expect("a picture");
    }
}
