//! A person at a browser without JavaScript: follows links, fills in forms, and keeps cookies.

use std::sync::Mutex;

use reqwest::Client;
use reqwest::header::HeaderMap;
use url::form_urlencoded;

/// A page as it was answered.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The page.
    pub html: String,
}

impl Seen {
    /// Fails the test unless the page has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.html);
        self
    }

    /// Fails the test unless the page has this text.
    #[track_caller]
    pub fn shows(&self, text: &str) -> &Self {
        assert!(self.html.contains(text), "{text:?} is not in: {}", self.html);
        self
    }

    /// Returns a header's text; empty if it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Returns the values of the hidden fields of the form with this action.
    #[track_caller]
    pub fn hidden(&self, action: &str) -> Vec<(String, String)> {
        let start = format!("action=\"{action}\"");
        let Some((_, form)) = self.html.split_once(&start) else {
            panic!("no form for {action} in: {}", self.html);
        };
        let form = form.split("</form>").next().unwrap_or_default();
        let mut fields: Vec<(String, String)> = form
            .split("<input type=\"hidden\"")
            .skip(1)
            .map(|input| input.split('>').next().unwrap_or_default())
            .map(|input| (attribute(input, "name"), attribute(input, "value")))
            .collect();
        if let Some((_, text)) = form.split_once("<textarea name=\"text\"") {
            let text = text.split_once(">\n").map_or("", |(_, text)| text);
            fields.push((
                "text".to_owned(),
                unescaped(text.split("</textarea>").next().unwrap_or_default()),
            ));
        }
        fields
    }
}

/// Returns the value of an attribute of a tag.
fn attribute(tag: &str, name: &str) -> String {
    let value = tag.split_once(&format!("{name}=\"")).map(|(_, rest)| rest);
    unescaped(
        value
            .and_then(|value| value.split('"').next())
            .unwrap_or_default(),
    )
}

fn unescaped(text: &str) -> String {
    text.replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#38;", "&")
        .replace("&amp;", "&")
}

/// A person.
pub struct Person {
    http: Client,
    base: String,
    cookies: Mutex<Vec<(String, String)>>,
}

impl Person {
    /// Sits down before the service on this local port.
    pub fn at(port: u16) -> Self {
        let http = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        Self {
            http: http.build().unwrap(),
            base: format!("http://127.0.0.1:{port}"),
            cookies: Mutex::default(),
        }
    }

    /// Returns the value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let cookies = self.cookies.lock().unwrap();
        cookies
            .iter()
            .find(|(given, _)| given == name)
            .map(|(_, value)| value.clone())
    }

    /// Plants a cookie.
    pub fn plant(&self, name: &str, value: &str) {
        let mut cookies = self.cookies.lock().unwrap();
        cookies.retain(|(given, _)| given != name);
        cookies.push((name.to_owned(), value.to_owned()));
    }

    fn keep(&self, headers: &HeaderMap) {
        for line in headers.get_all("set-cookie") {
            let line = line.to_str().unwrap();
            let pair = line.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a cookie");
            let mut cookies = self.cookies.lock().unwrap();
            cookies.retain(|(given, _)| given != name);
            if !line.contains("Max-Age=0") {
                cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Seen {
        let cookies: Vec<String> = {
            let cookies = self.cookies.lock().unwrap();
            cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect()
        };
        let request = if cookies.is_empty() {
            request
        } else {
            request.header("cookie", cookies.join("; "))
        };
        let answer = request.header("accept", "text/html").send().await.unwrap();
        self.keep(answer.headers());
        Seen {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            html: answer.text().await.unwrap(),
        }
    }

    /// Opens a page.
    pub async fn open(&self, path: &str) -> Seen {
        self.send(self.http.get(format!("{}{path}", self.base))).await
    }

    /// Opens a page, and the pages that it leads to.
    pub async fn follow(&self, path: &str) -> Seen {
        let mut seen = self.open(path).await;
        while seen.status == 303 {
            seen = self.open(seen.header("location")).await;
        }
        seen
    }

    /// Posts fields with these headers, and no others that a browser would send.
    pub async fn post_with(&self, path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Seen {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = self.http.post(format!("{}{path}", self.base)).body(body);
        let mut request = request.header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request).await
    }

    /// Posts fields from a page of the service.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Seen {
        self.post_with(path, &[("origin", &self.base)], fields).await
    }

    /// Sends a form of a page with its hidden fields and these, and opens the page that it leads to.
    #[track_caller]
    pub fn submit<'a>(
        &'a self,
        page: &Seen,
        action: &'a str,
        fields: &'a [(&'a str, &'a str)],
    ) -> impl Future<Output = Seen> + 'a {
        let hidden = page.hidden(action);
        async move {
            let mut all: Vec<(&str, &str)> = hidden
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            all.extend_from_slice(fields);
            let answer = self.post(action, &all).await;
            if answer.status == 303 {
                return self.follow(answer.header("location")).await;
            }
            answer
        }
    }

    /// Sends a form of a page with a file.
    pub async fn upload(&self, page: &Seen, action: &str, file: &str, fields: &[(&str, &str)]) -> Seen {
        let boundary = "----------a-boundary-of-a-test";
        let mut body = String::new();
        let hidden = page.hidden(action);
        let hidden = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in hidden.chain(fields.iter().copied()) {
            body.push_str(&format!(
                "--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            ));
        }
        body.push_str(&format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"payouts.csv\"\r\n\
             content-type: text/csv\r\n\r\n{file}\r\n--{boundary}--\r\n"
        ));
        let request = self
            .http
            .post(format!("{}{action}", self.base))
            .header("origin", &self.base);
        let request = request.header(
            "content-type",
            format!("multipart/form-data; boundary={boundary}"),
        );
        self.send(request.body(body)).await
    }

    /// Signs in.
    pub async fn sign_in(&self, key: &str) -> Seen {
        let page = self.open("/console/sign-in/").await.expect(200);
        self.submit(&page, "/console/sign-in/", &[("key", key)]).await
    }
}
