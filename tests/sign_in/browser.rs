//! A browser that can just do what signing in takes: get a page, fill in its form, follow.

use std::collections::BTreeMap;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) text: String,
}

pub(crate) async fn get(url: &Url) -> Page {
    send("GET", url, "").await
}

pub(crate) async fn post(url: &Url, form: &[(&str, &str)]) -> Page {
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    send("POST", url, &form).await
}

async fn send(method: &str, url: &Url, body: &str) -> Page {
    let host = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let mut stream = TcpStream::connect(&host).await.unwrap();
    let target = &url[url::Position::BeforePath..];
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let header = |name: &str| {
        let lines = text.lines().take_while(|line| !line.is_empty());
        let mut found = lines.filter_map(|line| line.split_once(": "));
        found.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    Page { status, location: header("location"), text }
}

impl Page {
    /// Sends the form of the page at `url` with what the person typed and the button that was
    /// pressed. The hidden fields go along, as they would.
    pub(crate) async fn submit(&self, url: &Url, typed: &[(&str, &str)], choice: &str) -> Self {
        let mut form = BTreeMap::new();
        for input in self.text.split("<input ").skip(1) {
            let attribute = |name: &str| {
                let (_, rest) = input.split_once(&format!("{name}=\""))?;
                Some(unescaped(rest.split('"').next()?))
            };
            if let (Some(name), Some(value)) = (attribute("name"), attribute("value")) {
                form.insert(name, value);
            }
        }
        for (name, value) in typed {
            form.insert((*name).to_owned(), (*value).to_owned());
        }
        let mut pairs: Vec<(&str, &str)> =
            form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        pairs.push(("choice", choice));
        let mut target = url.clone();
        target.set_query(None);
        post(&target, &pairs).await
    }

    /// Goes where the server sends the browser.
    pub(crate) async fn follow(&self) -> Self {
        assert_eq!(self.status, 303, "{self:?}");
        get(&self.target()).await
    }

    /// Where the server sends the browser.
    pub(crate) fn target(&self) -> Url {
        Url::parse(self.location.as_ref().unwrap()).unwrap()
    }
}

fn unescaped(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    text.replace("&#39;", "'").replace("&amp;", "&")
}
