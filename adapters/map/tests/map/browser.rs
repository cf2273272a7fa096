//! The page in a browser without a screen. A page of the test has it in frames, uses it, and writes down what happened.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};
use test_tools::{Browser, Theme};

use crate::{hostile_map, library};

/// Serves these pages, for as long as the process lives, and notes what is asked for.
fn serve(pages: Vec<(&'static str, String)>) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("has one").port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = asked.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("is a connection");
            let (pages, noted) = (pages.clone(), noted.clone());
            // A browser also opens connections on which it asks nothing.
            thread::spawn(move || {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let Some(request) = lines.next() else { return };
                lines.take_while(|line| !line.is_empty()).for_each(drop);
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                let page = pages.iter().find(|(name, _)| *name == path);
                let (status, body) =
                    page.map_or(("404 Not Found", ""), |(_, page)| ("200 OK", page));
                noted.lock().expect("is not poisoned").push(path);
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
                let _ = stream.write_all(answer.as_bytes());
            });
        }
    });
    (port, asked)
}

/// The pages of the test, as they are served.
fn pages() -> (u16, Arc<Mutex<Vec<String>>>) {
    serve(vec![
        ("/", include_str!("browser.html").to_owned()),
        ("/map", library().html()),
        ("/hostile", hostile_map().html()),
    ])
}

fn texts(value: &Value) -> Vec<&str> {
    let list = value.as_array().expect("is a list");
    list.iter().filter_map(Value::as_str).collect()
}

#[track_caller]
fn at_least(value: &Value, least: f64) {
    let number = value.as_f64().expect("is a number");
    assert!(number >= least, "{number} is less than {least}");
}

#[test]
fn the_page_in_a_browser() {
    let Some(mut browser) = Browser::start("the page of a map in a browser") else {
        return;
    };
    let (port, asked) = pages();
    browser.resize(1500, 1000);
    browser.open(&format!("http://127.0.0.1:{port}/"));
    let written = browser.wait_for("document.getElementById('result').textContent");
    let result: Value = serde_json::from_str(written.as_str().expect("is text")).expect("is JSON");
    assert_eq!(result["error"], Value::Null, "{result:#}");

    assert_use(&result);
    assert_looks(&result);

    // Without scripts: the picture, whose boxes are links to the details.
    let bare = &result["bare"];
    assert_eq!(
        (&bare["tools"], &bare["titles"], &bare["links"]),
        (&json!(0), &json!(18), &json!(true))
    );
    at_least(&bare["map"], 500.0);

    // What is hostile stays text, and what gets in after all is not executed and fetches nothing.
    let hostile = &result["hostile"];
    let title = "</title><script>document.title = 'broken'</script>";
    assert_eq!(*hostile, json!({"script": false, "title": title, "own": 3}));
    let asked = asked.lock().expect("is not poisoned").clone();
    let own = ["/", "/map", "/hostile", "/favicon.ico"];
    let foreign: Vec<_> = asked
        .iter()
        .filter(|path| !own.contains(&&***path))
        .collect();
    assert!(foreign.is_empty(), "{foreign:?}");
}

/// By axe-core: contrasts, names and roles, as a phone shows the page and as a desk does.
#[test]
fn the_page_has_no_serious_fault_for_those_who_use_it_otherwise() {
    let test = "whether the page of a map can be used by all";
    let Some(mut browser) = Browser::start(test) else {
        return;
    };
    let (port, _) = pages();
    for theme in [Theme::Light, Theme::Dark] {
        browser.prefer(theme);
        for (width, height) in [(390, 800), (1400, 900)] {
            browser.resize(width, height);
            browser.open(&format!("http://127.0.0.1:{port}/map"));
            let Some(faults) = browser.faults(test) else {
                return;
            };
            assert!(faults.is_empty(), "{theme:?}, {width} wide: {faults:#?}");
        }
    }
}

fn assert_use(result: &Value) {
    // A click shows one message's path, Escape all.
    let clicked = &result["clicked"];
    let path = [
        "ReturnBook",
        "book",
        "book-returned",
        "welcome",
        "loan",
        "shelves",
        "shelf",
        "CountBooks",
    ];
    assert_eq!(texts(&clicked["on"]), path);
    assert_eq!(
        clicked["status"],
        "The path of ReturnBook: 8 of 18. Escape shows all."
    );
    assert_eq!(
        (&clicked["hash"], &clicked["all"]),
        (&json!("#command%3AReturnBook"), &json!(true))
    );
    assert_eq!(clicked["escaped"], true, "{clicked}");
    // So does a link to it.
    assert_eq!(texts(&result["linked"]), path);

    // The search looks at names, documentation and fields.
    assert_eq!(
        texts(&result["name"]["on"]),
        ["book", "book-lost", "demand"]
    );
    assert_eq!(result["name"]["status"], "3 matches");
    assert_eq!(texts(&result["docs"]["on"]), ["LendBook"]);
    assert_eq!(
        result["docs"],
        json!({"on": ["LendBook"], "status": "1 match", "cleared": true})
    );
    assert_eq!(result["nothing"]["status"], "0 matches");

    // The keyboard leads along the links; what has the focus shows its details.
    let walked = &result["walked"];
    let way = texts(&walked["way"]);
    assert_eq!((way[0], way[2]), ("LendBook", "book-lent"));
    assert!(
        ["book", "reader"].contains(&way[1]) && way[4] == "LendBook",
        "{way:?}"
    );
    assert_eq!(walked["card"]["shown"], true);
    assert!(
        walked["card"]["text"]
            .as_str()
            .is_some_and(|it| it.contains("The number on its spine."))
    );
    assert_eq!(
        (&walked["down"], &walked["chosen"], &walked["slash"]),
        (&json!(true), &json!(true), &json!("search"))
    );
    let hovered = &result["hovered"];
    assert!(
        hovered["text"]
            .as_str()
            .is_some_and(|it| it.contains("A book was lent."))
    );
    assert_eq!(
        (&hovered["near"], &hovered["gone"]),
        (&json!(4), &json!(true))
    );
}

fn assert_looks(result: &Value) {
    // Light and dark, with the contrasts of WCAG: 4.5 for text, 3 for what else has a meaning.
    let themes = &result["themes"];
    for theme in ["light", "dark"] {
        let worn = &themes[theme];
        assert_eq!(worn["label"], format!("Theme: {theme}"));
        at_least(&worn["labels"], 4.5);
        at_least(&worn["faint"], 4.5);
        at_least(&worn["lines"], 3.0);
        at_least(&worn["edges"], 3.0);
    }
    assert_ne!(themes["light"]["paper"], themes["dark"]["paper"]);
    assert_eq!(themes["label"], "Theme: auto");

    // Nothing is wider than the window but the map, which scrolls, and no letter is too small.
    for (size, width) in [("wide", 1400.0), ("narrow", 390.0)] {
        let sizes = &result[size];
        assert_eq!(sizes["overflow"], 0, "{size}: {sizes}");
        assert_eq!(sizes["labels"], json!([]), "{size}");
        at_least(&sizes["letters"], 9.0);
        assert!(
            sizes["cards"].as_f64().is_some_and(|it| it <= width),
            "{sizes}"
        );
    }
    assert_eq!(result["zoomed"], json!({"larger": true, "fits": true}));
    assert_eq!(result["unnamed"], json!([]));
    let unprinted = ".tools, .scripted .tools, .card, .skip, .status";
    assert_eq!(result["unprinted"], json!([unprinted]));
}
