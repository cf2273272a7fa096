use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::find::{program, tool};
use crate::messages::Messages;

/// Which colors the person in front of the screen prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// Dark letters on light paper.
    Light,
    /// Light letters on dark paper.
    Dark,
}

/// A Chromium without a screen, with one page. It asks no other address than 127.0.0.1, and ends when it is dropped.
///
/// Each method panics if the browser does not do what it is asked for.
pub struct Browser {
    process: Child,
    messages: Messages,
    told: Vec<String>,
    asked: Vec<String>,
    /// The loads that are over, of the page and of its frames.
    loaded: Vec<String>,
    _profile: TempDir,
}

/// The browser's own ends of its messages are the files 3 and 4, which Rust does not pass on.
const START: &str = r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#;

const ARGUMENTS: [&str; 7] = [
    "--headless",
    // Tests may be run by root.
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

impl Browser {
    /// The browser of this machine. Without one, the test says that it is not run.
    ///
    /// # Panics
    ///
    /// Under `CQRS_REQUIRE_SERVICES=1`, instead of `None`.
    pub fn start(test: &str) -> Option<Self> {
        let chromium = program(&["chromium", "chromium-browser", "google-chrome"], test)?;
        Some(Self::of(&chromium))
    }

    fn of(chromium: &Path) -> Self {
        let profile = TempDir::new().expect("a temporary directory");
        let mut process = Command::new("sh")
            .args(["-c", START])
            .arg(chromium)
            .args(ARGUMENTS)
            .arg("--remote-debugging-pipe")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the browser starts");
        let input = process.stdin.take().expect("is piped");
        let output = process.stdout.take().expect("is piped");
        let mut browser = Self {
            process,
            messages: Messages::new(input, output),
            told: Vec::new(),
            asked: Vec::new(),
            loaded: Vec::new(),
            _profile: profile,
        };
        let target = browser.order("Target.createTarget", &json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.order("Target.attachToTarget", &attach);
        let session = session["sessionId"].as_str().expect("has a session");
        browser.messages.be_in(session);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.order(&format!("{domain}.enable"), &json!({}));
        }
        browser.order("Page.setLifecycleEventsEnabled", &json!({"enabled": true}));
        browser
    }

    /// Goes to this address, and waits until the page and all that it names is loaded.
    pub fn open(&mut self, address: &str) {
        let answer = self.order("Page.navigate", &json!({"url": address}));
        assert_eq!(answer["errorText"], Value::Null, "{address}");
        // Within a page, nothing is loaded.
        let Some(loader) = answer["loaderId"].as_str() else {
            return;
        };
        while !self.loaded.iter().any(|it| it == loader) {
            let message = self.messages.next();
            self.note(&message);
        }
    }

    /// The value of a script, or of its promise, whatever the page's policy says about scripts.
    pub fn evaluate(&mut self, script: &str) -> Value {
        self.try_evaluate(script)
            .unwrap_or_else(|error| panic!("{error}\nof {script}\n{:#?}", self.told))
    }

    /// Waits until an expression has a value that is not false, and returns that, or `true` for an element.
    pub fn wait_for(&mut self, expression: &str) -> Value {
        let script = format!(
            "new Promise((done, fail) => {{ \
               const from = performance.now(); \
               const look = () => {{ \
                 let value; \
                 try {{ value = ({expression}); }} catch (error) {{ return fail(error); }} \
                 if (value) return done(value instanceof Node || value); \
                 if (performance.now() - from > 60000) return fail(new Error('waited in vain')); \
                 requestAnimationFrame(look); \
               }}; \
               look(); \
             }})"
        );
        loop {
            match self.try_evaluate(&script) {
                Ok(value) => return value,
                // The page has given way to the next one.
                Err(error)
                    if error.contains("context was destroyed")
                        || error.contains("navigated or closed") => {}
                Err(error) => panic!("{error}\nof {expression}\n{:#?}", self.told),
            }
        }
    }

    fn try_evaluate(&mut self, script: &str) -> Result<Value, String> {
        let parameters = json!({
            "expression": script,
            "awaitPromise": true,
            "returnByValue": true,
            "userGesture": true,
        });
        let answer = self.answer("Runtime.evaluate", &parameters)?;
        let thrown = &answer["exceptionDetails"];
        if thrown.is_null() {
            return Ok(answer["result"]["value"].clone());
        }
        Err(exception(thrown))
    }

    /// Presses a key of the keyboard: a character, or a name such as `Tab`, `Enter`, `Escape` and `ArrowDown`.
    pub fn press(&mut self, key: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            " " => 32,
            "End" => 35,
            "Home" => 36,
            "ArrowLeft" => 37,
            "ArrowUp" => 38,
            "ArrowRight" => 39,
            "ArrowDown" => 40,
            _ => 0,
        };
        let mut parameters = json!({"type": "keyDown", "key": key, "windowsVirtualKeyCode": code});
        if key == "Enter" {
            parameters["text"] = json!("\r");
        } else if key.chars().count() == 1 {
            parameters["text"] = json!(key);
        }
        self.order("Input.dispatchKeyEvent", &parameters);
        let up = json!({"type": "keyUp", "key": key, "windowsVirtualKeyCode": code});
        self.order("Input.dispatchKeyEvent", &up);
    }

    /// The size of the window, in pixels. One that is less than 600 wide is a phone.
    pub fn resize(&mut self, width: u32, height: u32) {
        let parameters = json!({
            "width": width,
            "height": height,
            "deviceScaleFactor": 1,
            "mobile": width < 600,
        });
        self.order("Emulation.setDeviceMetricsOverride", &parameters);
    }

    /// Has the page know which colors are preferred.
    pub fn prefer(&mut self, theme: Theme) {
        let value = match theme {
            Theme::Light => "light",
            Theme::Dark => "dark",
        };
        let feature = json!([{"name": "prefers-color-scheme", "value": value}]);
        self.order("Emulation.setEmulatedMedia", &json!({"features": feature}));
    }

    /// The page as a picture, in PNG: also what is below the window.
    pub fn screenshot(&mut self) -> Vec<u8> {
        let parameters = json!({"captureBeyondViewport": true});
        self.captured(&parameters)
    }

    /// What is within the window as a picture of few bytes, in WebP.
    pub fn picture(&mut self) -> Vec<u8> {
        let parameters = json!({"format": "webp", "quality": 80});
        self.captured(&parameters)
    }

    fn captured(&mut self, parameters: &Value) -> Vec<u8> {
        let answer = self.order("Page.captureScreenshot", parameters);
        let data = answer["data"].as_str().expect("has data");
        BASE64_STANDARD.decode(data).expect("is Base64")
    }

    /// What the console says: of scripts, of exceptions, and of the browser itself, such as what a policy refuses.
    pub fn told(&self) -> &[String] {
        &self.told
    }

    /// The addresses that have been asked for.
    pub fn asked(&self) -> &[String] {
        &self.asked
    }

    /// The faults that axe-core finds in the page and calls serious or critical, each with its elements. Without
    /// axe-core, the test says that it is not run.
    ///
    /// # Panics
    ///
    /// Under `CQRS_REQUIRE_SERVICES=1`, instead of `None`.
    pub fn faults(&mut self, test: &str) -> Option<Vec<String>> {
        let axe = tool("npm/node_modules/axe-core/axe.min.js", "axe-core", test)?;
        let axe = std::fs::read_to_string(axe).expect("is read");
        // It sets a global variable, which the page need not see twice.
        self.evaluate(&format!("window.axe ? null : (() => {{ {axe} }})(), null"));
        let found = self.evaluate(
            "axe.run(document, { resultTypes: ['violations'] }).then(({ violations, passes }) => ({ \
               checked: passes.length, \
               faults: violations \
                 .filter(({ impact }) => ['serious', 'critical'].includes(impact)) \
                 .map(({ id, help, nodes }) => [`${id}: ${help}`, ...new Set(nodes.map(({ html, failureSummary }) => \
                   `${html.slice(0, 200)} ${failureSummary.split('\\n').slice(1, 3).join(' ')}`))].slice(0, 20).join('\\n')) \
             }))",
        );
        let checked = found["checked"].as_u64().expect("is a number");
        assert!(checked >= 5, "axe-core has found nothing to check");
        let faults = found["faults"].as_array().expect("is a list");
        let texts = faults.iter().filter_map(Value::as_str);
        Some(texts.map(str::to_owned).collect())
    }

    /// What is answered to an order that the browser accepts.
    fn order(&mut self, method: &str, parameters: &Value) -> Value {
        self.answer(method, parameters)
            .unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn answer(&mut self, method: &str, parameters: &Value) -> Result<Value, String> {
        let sent = self.messages.send(method, parameters);
        let id = sent.expect("the browser listens");
        loop {
            let message = self.messages.next();
            if message["id"] != id {
                self.note(&message);
            } else if let Some(error) = message.get("error") {
                return Err(error.to_string());
            } else {
                return Ok(message["result"].clone());
            }
        }
    }

    fn note(&mut self, message: &Value) {
        let parameters = &message["params"];
        match message["method"].as_str().unwrap_or_default() {
            "Page.lifecycleEvent" if parameters["name"] == "load" => {
                let loader = parameters["loaderId"].as_str();
                self.loaded.extend(loader.map(str::to_owned));
            }
            "Network.requestWillBeSent" => {
                let address = parameters["request"]["url"].as_str();
                self.asked.extend(address.map(str::to_owned));
            }
            "Runtime.consoleAPICalled" => {
                self.told
                    .push(format!("{}: {}", parameters["type"], parameters["args"]));
            }
            "Runtime.exceptionThrown" => {
                self.told.push(exception(&parameters["exceptionDetails"]));
            }
            "Log.entryAdded" => {
                let entry = &parameters["entry"];
                self.told.push(format!(
                    "{}: {} {}",
                    entry["level"], entry["text"], entry["url"]
                ));
            }
            _ => {}
        }
    }
}

fn exception(details: &Value) -> String {
    let described = details["exception"]["description"].as_str();
    described.map_or_else(|| details.to_string(), str::to_owned)
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A browser that is gone already is no error.
        let closed = self.messages.send("Browser.close", &json!({}));
        if closed.is_err() || !self.messages.are_over(Duration::from_secs(10)) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}
