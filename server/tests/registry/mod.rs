//! A registry on loopback: Ollama's protocol and Hugging Face's over a real socket, as well or as badly as a test wants.

use std::sync::{Arc, Mutex, MutexGuard};

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, sync::watch};

/// What the registry calls its one model.
pub const MODEL: &str = "qwen2.5:0.5b";
pub const MODEL_OF_HUGGING_FACE: &str = "hf.co/owner/Some-GGUF:Q4_0";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

#[derive(Clone)]
pub struct Registry {
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    behaviour: Mutex<Behaviour>,
    requests: Mutex<Vec<Asked>>,
    is_open: watch::Sender<bool>,
}

/// How it answers. The default is as one should.
#[derive(Clone)]
pub struct Behaviour {
    file: Vec<u8>,
    digest: String,
    /// The manifest in place of the right one.
    pub manifest: Option<String>,
    /// Answer so many descriptions with this status first.
    pub refusals: (u32, u16),
    /// Whether parts of the file can be asked for.
    pub has_ranges: bool,
    /// So many answers break off after as many bytes.
    pub cuts: (u32, usize),
    /// Answers for parts of the file from here on stop after their first bytes until [`Registry::release`].
    pub hold_from: Option<usize>,
    /// Where requests for the file are sent on to, in place of an answer.
    pub redirect: Option<String>,
    pub etag: String,
    /// Serve the file under whatever digest it is asked for.
    pub serves_any_digest: bool,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub path: String,
    pub headers: HeaderMap,
}

impl Asked {
    /// First byte and last, of a request for a part of the file.
    pub fn range(&self) -> Option<(u64, u64)> {
        let range = self.headers.get(header::RANGE)?.to_str().unwrap().strip_prefix("bytes=").unwrap();
        let (start, end) = range.split_once('-').unwrap();
        Some((start.parse().unwrap(), end.parse().unwrap()))
    }
}

impl Registry {
    pub async fn offering(file: Vec<u8>) -> Self {
        let behaviour = Behaviour {
            digest: String::new(),
            file: Vec::new(),
            manifest: None,
            refusals: (0, 0),
            has_ranges: true,
            cuts: (0, 0),
            hold_from: None,
            redirect: None,
            etag: "\"one\"".to_owned(),
            serves_any_digest: false,
        };
        let shared =
            Shared { behaviour: Mutex::new(behaviour), requests: Mutex::default(), is_open: watch::Sender::new(false) };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let registry = Self { url, shared: Arc::new(shared) };
        registry.offer(file);
        let router = Router::new().fallback(answer).with_state(registry.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        registry
    }

    /// Have another file from now on.
    pub fn offer(&self, file: Vec<u8>) {
        self.behave(|behaviour| (behaviour.digest, behaviour.file) = (digest(&file), file));
    }

    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.behaviour());
    }

    /// Let answers that are held go on, and hold no more.
    pub fn release(&self) {
        self.behave(|behaviour| behaviour.hold_from = None);
        self.shared.is_open.send_replace(true);
    }

    /// Requests for the file itself.
    pub fn asked_for_the_file(&self) -> Vec<Asked> {
        let is_file = |asked: &Asked| asked.path.contains("/blobs/") || asked.path.contains("/resolve/");
        self.asked().into_iter().filter(is_file).collect()
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.shared.requests.lock().unwrap().clone()
    }

    fn behaviour(&self) -> MutexGuard<'_, Behaviour> {
        self.shared.behaviour.lock().unwrap()
    }

    fn describe(&self, description: Value) -> Response {
        let mut behaviour = self.behaviour();
        if behaviour.refusals.0 > 0 {
            behaviour.refusals.0 -= 1;
            let realm = "Bearer realm=\"http://127.0.0.1:9/token\",service=\"registry\"";
            let status = StatusCode::from_u16(behaviour.refusals.1).unwrap();
            return (status, [(header::WWW_AUTHENTICATE, realm)]).into_response();
        }
        match &behaviour.manifest {
            Some(manifest) => manifest.clone().into_response(),
            None => Json(description).into_response(),
        }
    }

    fn send_file(&self, range: Option<(u64, u64)>) -> Response {
        let mut behaviour = self.behaviour();
        if let Some(location) = &behaviour.redirect {
            return (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, location)]).into_response();
        }
        let size = behaviour.file.len();
        let (status, range) = match range.filter(|_| behaviour.has_ranges) {
            Some((start, end)) => (StatusCode::PARTIAL_CONTENT, start as usize..end as usize + 1),
            None => (StatusCode::OK, 0..size),
        };
        let content_range = format!("bytes {}-{}/{size}", range.start, range.end - 1);
        let is_held = behaviour.hold_from.is_some_and(|held| range.start >= held);
        let part = Bytes::copy_from_slice(&behaviour.file[range]);
        let length = part.len();
        let is_cut = behaviour.cuts.0 > 0;
        behaviour.cuts.0 -= u32::from(is_cut);
        let (first, rest) = match (is_cut, is_held) {
            (true, _) => (part.slice(..behaviour.cuts.1.min(length)), None),
            (false, true) => (part.slice(..length / 2), Some(part.slice(length / 2..))),
            (false, false) => (part, None),
        };
        let mut is_open = self.shared.is_open.subscribe();
        let rest = stream::once(async move {
            match rest {
                Some(rest) => {
                    is_open.wait_for(|is_open| *is_open).await.unwrap();
                    Ok(rest)
                }
                None if is_cut => {
                    // What was sent before goes on its way first.
                    tokio::task::yield_now().await;
                    Err("the registry died")
                }
                None => Ok(Bytes::new()),
            }
        });
        let mut response = Response::new(Body::from_stream(stream::iter([Ok(first)]).chain(rest)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, length.into());
        headers.insert(header::ETAG, behaviour.etag.parse().unwrap());
        if status == StatusCode::PARTIAL_CONTENT {
            headers.insert(header::CONTENT_RANGE, content_range.parse().unwrap());
        }
        response
    }
}

async fn answer(State(registry): State<Registry>, request: Request) -> Response {
    let asked = Asked { path: request.uri().path().to_owned(), headers: request.headers().clone() };
    registry.shared.requests.lock().unwrap().push(asked.clone());
    let (digest, size, serves_any_digest) = {
        let behaviour = registry.behaviour();
        (behaviour.digest.clone(), behaviour.file.len(), behaviour.serves_any_digest)
    };
    match asked.path.as_str() {
        "/v2/library/qwen2.5/manifests/0.5b" => registry.describe(manifest(&digest, size.into())),
        "/api/models/owner/Some-GGUF" => {
            let sha256 = digest.trim_start_matches("sha256:");
            let file = |name: &str| json!({ "rfilename": name, "size": size, "lfs": { "sha256": sha256, "size": size, "pointerSize": 135 } });
            let siblings =
                json!([{ "rfilename": "README.md", "size": 5 }, file("some-Q4_0.gguf"), file("some-Q8_0.gguf")]);
            registry.describe(json!({ "id": "owner/Some-GGUF", "sha": COMMIT, "siblings": siblings }))
        }
        path if path == format!("/v2/library/qwen2.5/blobs/{digest}")
            || serves_any_digest && path.starts_with("/v2/library/qwen2.5/blobs/") =>
        {
            registry.send_file(asked.range())
        }
        path if path == format!("/owner/Some-GGUF/resolve/{COMMIT}/some-Q4_0.gguf") => {
            registry.send_file(asked.range())
        }
        "/storage" => {
            registry.behave(|behaviour| behaviour.redirect = None);
            registry.send_file(asked.range())
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A manifest as Ollama's library has them.
pub fn manifest(digest: &str, size: Value) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": { "mediaType": "application/vnd.docker.container.image.v1+json", "digest": digest, "size": 485 },
        "layers": [
            { "mediaType": "application/vnd.ollama.image.model", "digest": digest, "size": size },
            { "mediaType": "application/vnd.ollama.image.template", "digest": digest, "size": 1482 },
        ],
    })
}

pub fn digest(file: &[u8]) -> String {
    let bytes = Sha256::digest(file);
    bytes.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// A GGUF file of at least `size` bytes that no two calls with other sizes share: a header that says something, and one
/// tensor of weights.
pub fn gguf(size: usize) -> Vec<u8> {
    let mut file = b"GGUF".to_vec();
    let string = |file: &mut Vec<u8>, text: &str| {
        file.extend((text.len() as u64).to_le_bytes());
        file.extend(text.as_bytes());
    };
    let weights = (size / 4) as u64;
    file.extend(3_u32.to_le_bytes());
    file.extend(1_u64.to_le_bytes());
    file.extend(4_u64.to_le_bytes());
    string(&mut file, "general.architecture");
    file.extend(8_u32.to_le_bytes());
    string(&mut file, "qwen2");
    string(&mut file, "general.file_type");
    file.extend(4_u32.to_le_bytes());
    file.extend(15_u32.to_le_bytes());
    string(&mut file, "qwen2.context_length");
    file.extend(4_u32.to_le_bytes());
    file.extend(2048_u32.to_le_bytes());
    string(&mut file, "tokenizer.chat_template");
    file.extend(8_u32.to_le_bytes());
    string(&mut file, "{% if tools %}<tool_call>{{ tools }}{% endif %}{{ messages }}");
    string(&mut file, "output.weight");
    file.extend(1_u32.to_le_bytes());
    file.extend(weights.to_le_bytes());
    file.extend(0_u32.to_le_bytes());
    file.extend(0_u64.to_le_bytes());
    file.resize(file.len().next_multiple_of(32), 0);
    file.extend((0..weights as u32).flat_map(|weight| weight.wrapping_mul(2_654_435_761).to_le_bytes()));
    file
}
