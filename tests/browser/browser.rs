//! Drives a browser step by step, and waits for each result.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use batch_tests::chromium::{Driver, driver};
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use url::Url;

use crate::world::World;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);
/// The pause between checks.
const CHECK_PAUSE: Duration = Duration::from_millis(50);

/// A browser with one window, in front of a page.
pub(crate) struct Browser<'a> {
    pub(crate) world: &'a World,
    runtime: Runtime,
    client: Client,
}

/// A browser that has logged in, or `None` if there is no browser on this machine.
pub(crate) fn logged_in(world: &World) -> Option<Browser<'_>> {
    let browser = Browser::new(world, &json!({}))?;
    browser.goto(&world.link);
    Some(browser)
}

impl<'a> Browser<'a> {
    /// A browser with these preferences of Chromium; `None` if there is no browser on this machine.
    pub(crate) fn new(world: &'a World, preferences: &Value) -> Option<Self> {
        let driver = driver()?;
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let capabilities = capabilities(driver, world, preferences);
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let client =
            runtime.block_on(builder.capabilities(capabilities).connect(&driver.url())).expect("a browser");
        Some(Self { world, runtime, client })
    }

    /// Opens an address.
    pub(crate) fn goto(&self, url: &str) {
        self.runtime.block_on(self.client.goto(url)).unwrap();
    }

    /// Opens a path of the page.
    pub(crate) fn open(&self, path: &str) {
        self.goto(&self.world.url(path));
    }

    /// The path and the query of the address.
    pub(crate) fn address(&self) -> String {
        let url = self.runtime.block_on(self.client.current_url()).unwrap();
        url.query().map_or(url.path().to_owned(), |query| format!("{}?{query}", url.path()))
    }

    /// The element that a selector of CSS names, as soon as there is one.
    fn with<T>(&self, css: &str, what: impl AsyncFn(Element) -> Result<T, CmdError>) -> T {
        self.until(css, || {
            let found = self.runtime.block_on(async {
                let element = self.client.find(Locator::Css(css)).await?;
                what(element).await
            });
            match found {
                Ok(value) => Some(value),
                // The element was not there, or the page has replaced it meanwhile.
                Err(error)
                    if error.is_no_such_element()
                        || error.is_stale_element_reference()
                        || error.is_element_not_interactable() =>
                {
                    None
                }
                Err(error) => panic!("{css}: {error}"),
            }
        })
    }

    /// Clicks an element. If that sends a form, the test must wait for the answer before it opens an address: of two
    /// navigations in flight, either may win.
    pub(crate) fn click(&self, css: &str) {
        self.with(css, async |element| element.click().await);
    }

    /// The visible text of an element.
    pub(crate) fn text(&self, css: &str) -> String {
        self.with(css, async |element| element.text().await)
    }

    /// A property of an element, such as the value of a field.
    pub(crate) fn property(&self, css: &str, name: &str) -> String {
        self.with(css, async |element| element.prop(name).await).unwrap_or_default()
    }

    /// Types into a field, in place of what it holds.
    pub(crate) fn fill(&self, css: &str, text: &str) {
        self.with(css, async |element| {
            element.clear().await?;
            element.send_keys(text).await
        });
    }

    /// The number of elements that a selector names now.
    pub(crate) fn count(&self, css: &str) -> usize {
        self.runtime.block_on(self.client.find_all(Locator::Css(css))).unwrap().len()
    }

    /// Runs a script in the page.
    pub(crate) fn execute(&self, script: &str) -> Value {
        self.runtime.block_on(self.client.execute(script, Vec::new())).unwrap()
    }

    /// Accepts the dialog that the page shows.
    pub(crate) fn say_yes(&self) {
        self.until("a question", || self.runtime.block_on(self.client.accept_alert()).ok());
    }

    /// Waits until the element shows a text.
    pub(crate) fn wait_for(&self, css: &str, text: &str) {
        self.until(&format!("{css} with {text:?}"), || self.text(css).contains(text).then_some(()));
    }

    /// Waits until the address is this path with its query.
    pub(crate) fn wait_for_address(&self, path: &str) {
        self.until(path, || (self.address() == path).then_some(()));
    }

    /// Waits for a value.
    pub(crate) fn until<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(value) = look() {
                return value;
            }
            if Instant::now() > until {
                let body = async { self.client.find(Locator::Css("body")).await?.text().await };
                let body = self.runtime.block_on(body).unwrap_or_default();
                panic!("waited in vain for {what} at {}:\n{body}", self.address());
            }
            std::thread::sleep(CHECK_PAUSE);
        }
    }

    /// Sets the window's width.
    pub(crate) fn narrow(&self, width: u32) {
        let arguments = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        let body = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": arguments });
        self.ask("goog/cdp/execute", &body);
    }

    /// The page's warnings and errors on the console since the last call.
    pub(crate) fn console(&self) -> Vec<String> {
        let log = self.log("browser");
        let bad = log.iter().filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING");
        bad.map(|entry| format!("{}: {}", entry["level"], entry["message"])).collect()
    }

    /// The hosts that the browser has sent requests to since the last call.
    pub(crate) fn hosts(&self) -> BTreeSet<String> {
        let host_of = |entry: &Value| {
            let event: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let event = &event["message"];
            let is_request = event["method"] == "Network.requestWillBeSent";
            let url = event["params"]["request"]["url"].as_str().filter(|_| is_request)?;
            let url = Url::parse(url).ok()?;
            Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
        };
        self.log("performance").iter().filter_map(host_of).collect()
    }

    fn log(&self, kind: &str) -> Vec<Value> {
        self.ask("se/log", &json!({ "type": kind })).as_array().cloned().unwrap_or_default()
    }

    /// Sends a command that only the driver of Chromium knows.
    fn ask(&self, path: &'static str, body: &Value) -> Value {
        let command = Command { path, body: body.to_string() };
        self.runtime.block_on(self.client.issue_cmd(command)).unwrap()
    }
}

impl Drop for Browser<'_> {
    fn drop(&mut self) {
        // If this fails, the driver ends the browser.
        let _ = self.runtime.block_on(self.client.clone().close());
    }
}

fn capabilities(driver: &Driver, world: &World, preferences: &Value) -> Capabilities {
    let mut arguments = vec![
        "--headless=new",
        "--window-size=1280,900",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
    ];
    if driver.is_root() {
        arguments.push("--no-sandbox");
    }
    let mut all = json!({ "download.default_directory": world.path("downloads") });
    for (name, value) in preferences.as_object().into_iter().flatten() {
        all[name] = value.clone();
    }
    let capabilities = json!({
        "browserName": "chrome",
        "goog:chromeOptions": { "binary": driver.browser(), "args": arguments, "prefs": all },
        "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
    });
    serde_json::from_value(capabilities).expect("they are an object")
}

/// A command of Chromium's driver.
#[derive(Debug)]
struct Command {
    path: &'static str,
    body: String,
}

impl WebDriverCompatibleCommand for Command {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.clone()))
    }
}
