//! The console's own files: embedded, compressed once, and served under the digest of their content, so that a browser
//! keeps each for as long as it is current.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use salvo::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use salvo::http::{HeaderValue, StatusCode};
use salvo::{Depot, FlowCtrl, Handler, Request, Response, Writer, async_trait};
use sha2::{Digest, Sha256};

use crate::http::extract::negotiation::takes_coding;
use crate::http::problem::Problem;

/// A file.
pub(super) struct Asset {
    /// The path, with the digest of the content.
    pub(super) path: String,
    content_type: &'static str,
    plain: &'static [u8],
    gzipped: Vec<u8>,
}

/// All files.
pub(super) struct Assets {
    pub(super) style: Asset,
    pub(super) script: Asset,
    pub(super) htmx: Asset,
    pub(super) icon: Asset,
}

/// The files of this build.
pub(super) static ASSETS: LazyLock<Assets> = LazyLock::new(|| Assets {
    style: Asset::new(
        "console",
        "css",
        "text/css; charset=utf-8",
        include_bytes!("assets/console.css"),
    ),
    script: Asset::new(
        "console",
        "js",
        "text/javascript; charset=utf-8",
        include_bytes!("assets/console.js"),
    ),
    htmx: Asset::new(
        "htmx",
        "js",
        "text/javascript; charset=utf-8",
        include_bytes!("../../../assets/console/htmx.min.js"),
    ),
    icon: Asset::new("icon", "svg", "image/svg+xml", include_bytes!("assets/icon.svg")),
});

impl Asset {
    fn new(name: &str, extension: &str, content_type: &'static str, plain: &'static [u8]) -> Self {
        let mut digest = String::with_capacity(16);
        for byte in Sha256::digest(plain).iter().take(8) {
            let _ = write!(digest, "{byte:02x}");
        }
        Self {
            path: format!("/console/assets/{name}-{digest}.{extension}"),
            content_type,
            plain,
            gzipped: gzip(plain, Compression::best()),
        }
    }

    fn send(&self, request: &Request, response: &mut Response) {
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        if !self.gzipped.is_empty() && takes_coding(request.headers(), "gzip") {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response.body(self.gzipped.clone());
        } else {
            response.body(self.plain.to_vec());
        }
    }
}

/// Compresses bytes; empty if that fails, which it cannot in memory.
pub(super) fn gzip(bytes: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 3), level);
    match encoder.write_all(bytes) {
        Ok(()) => encoder.finish().unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

/// Serves the files.
pub(super) struct Files;

#[async_trait]
impl Handler for Files {
    async fn handle(
        &self,
        request: &mut Request,
        depot: &mut Depot,
        response: &mut Response,
        _: &mut FlowCtrl,
    ) {
        let assets = &*ASSETS;
        let all = [&assets.style, &assets.script, &assets.htmx, &assets.icon];
        let path = request.uri().path().to_owned();
        match all.into_iter().find(|asset| asset.path == path) {
            Some(asset) => {
                let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
                response.headers_mut().insert(CACHE_CONTROL, forever);
                asset.send(request, response);
            }
            None => {
                let problem = Problem::of_status(StatusCode::NOT_FOUND, request.method().as_str());
                problem.write(request, depot, response).await;
            }
        }
    }
}

/// Serves the icon at the address that browsers ask for without being told.
pub(super) struct Favicon;

#[async_trait]
impl Handler for Favicon {
    async fn handle(&self, request: &mut Request, _: &mut Depot, response: &mut Response, _: &mut FlowCtrl) {
        let day = HeaderValue::from_static("public, max-age=86400");
        response.headers_mut().insert(CACHE_CONTROL, day);
        ASSETS.icon.send(request, response);
    }
}
