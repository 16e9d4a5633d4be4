//! Every setting. A field is a flag, an environment variable and a documented line at once; nothing else in the
//! project reads the environment. README's table is tested against this file.

use std::{env, ffi::OsStr, fmt, net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Context;
use bytesize::ByteSize;
use clap::{Args, Command, ValueEnum, builder::Resettable};
use ipnet::IpNet;

use crate::engine::KeepAlive;

/// Settings of `flotilla serve`.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub struct Config {
    /// Address to listen on. Port 0 takes a free one; the chosen address is printed.
    #[arg(long, env, default_value = "127.0.0.1:8000")]
    pub listen_addr: SocketAddr,

    /// `sqlite://…` or `postgres://…`; by default an SQLite file in DATA_DIR.
    #[arg(long, env, hide_env_values = true)]
    database_url: Option<Secret>,

    #[command(flatten)]
    pub models: ModelSettings,

    /// Model that answers when a request names none; by default the engine's first.
    #[arg(long, env)]
    pub model_name: Option<String>,

    /// Run in front of this Ollama instead of the own engine. Of several, separated by commas, each request gets one.
    #[arg(long, env, value_delimiter = ',', conflicts_with_all = ["openai_base_url", "script"])]
    pub ollama_url: Vec<String>,

    /// Run in front of this OpenAI-compatible server, for example `http://127.0.0.1:8080/v1`. Of several, separated by
    /// commas, each request gets one.
    #[arg(long, env, value_delimiter = ',', conflicts_with = "script")]
    pub openai_base_url: Vec<String>,

    /// Key that is sent to OPENAI_BASE_URL.
    #[arg(long, env, hide_env_values = true, requires = "openai_base_url")]
    pub openai_api_key: Option<Secret>,

    /// Seconds between two looks at the names in OLLAMA_URL or OPENAI_BASE_URL: every address that they have is a replica,
    /// as behind a headless service of Kubernetes. Without it each URL is one replica.
    #[arg(long, env, value_parser = clap::value_parser!(u64).range(1..))]
    engine_dns_interval: Option<u64>,

    /// Seconds for which a replica is taken to keep what it has computed of a prompt, so that a prompt which begins in the
    /// same way goes to it again.
    #[arg(long, env, default_value_t = 180, value_parser = clap::value_parser!(u64).range(1..))]
    prefix_lifetime: u64,

    /// Answer every chat with the words of this text file: for demos and for testing clients.
    #[arg(long, env)]
    pub script: Option<PathBuf>,

    /// Milliseconds between two words of SCRIPT.
    #[arg(long, env, default_value_t = 20)]
    pub script_delay_ms: u64,

    /// How many messages of a conversation go to the model, the system prompt not counted.
    #[arg(long, env, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_context_messages: u32,

    /// Tokens that one chat may hold, prompt and answer together; capped by what the model was trained for.
    #[arg(long, env, default_value_t = 4096, value_parser = clap::value_parser!(u32).range(64..))]
    pub context_length: u32,

    /// Chats that the own engine decodes together.
    #[arg(long, env, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub slots: u32,

    #[command(flatten)]
    pub machine: MachineSettings,

    /// MiB of memory in which the own engine keeps the beginnings of conversations that no slot holds any more, so that they are
    /// not computed again; 0 keeps none.
    #[arg(long, env, default_value_t = 256, value_parser = clap::value_parser!(u32).range(..=1_048_576))]
    pub prefix_memory: u32,

    /// Tokens that the own engine guesses ahead at most, from what stands in the conversation, while it writes one answer or two;
    /// 0 guesses none. Each token is the model's own choice all the same; answers that quote or edit a text come faster.
    #[arg(long, env, default_value_t = 8, value_parser = clap::value_parser!(u32).range(..=32))]
    pub guess_tokens: u32,

    /// Seconds after its last answer until the own engine takes a model out of memory; the next chat with it loads it again.
    /// 0 is at once, -1 never. Ollama's clients may ask for another time with `keep_alive`.
    #[arg(long, env, default_value_t = 1800, allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(-1..))]
    keep_alive: i64,

    /// Memory that the models of the own engine may take together, for example `12GiB`; by default four fifths of what the
    /// machine or the container has. A model that does not fit beside the others takes the place of the one that was not used
    /// for longest. In a build with the feature `cuda` it should be what the GPU has.
    #[arg(long, env)]
    max_model_memory: Option<ByteSize>,

    /// Chats that each server behind OLLAMA_URL or OPENAI_BASE_URL is sent at once, and that SCRIPT answers at once.
    #[arg(long, env, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    upstream_slots: u32,

    /// Requests that may wait in line while all slots are busy; one more is refused with 503. A caller may have as many in it
    /// as there are places left; one more is refused with 429.
    #[arg(long, env, default_value_t = 128, value_parser = clap::value_parser!(u32).range(..=512))]
    pub max_queue: u32,

    /// Seconds that a request may wait in line before it is refused with 503.
    #[arg(long, env, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..))]
    queue_timeout: u64,

    /// Requests of one caller, which is an address, that may wait or be answered at once; one more is refused with 429. By
    /// default only what is left of the line limits them.
    #[arg(long, env, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_per_caller: Option<u32>,

    /// Networks of the proxies in front, for example `10.42.0.0/16`: their X-Forwarded-For says which address calls. Whoever else
    /// is in such a network can claim to be anybody.
    #[arg(long, env, value_delimiter = ',')]
    pub trusted_proxies: Vec<IpNet>,

    /// Seconds that an answer of a conversation goes on while nobody follows it; then it ends with what it has said.
    #[arg(long, env, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    orphan_timeout: u64,

    /// Seconds that an engine may take to its first token before the request ends with 504.
    #[arg(long, env, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..))]
    first_token_timeout: u64,

    /// Seconds that an engine may pause between two tokens; after that its answer is continued by another one, or by itself.
    #[arg(long, env, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    token_timeout: u64,

    /// Folder of the built browser UI; without it the server has an API only.
    #[arg(long, env)]
    pub ui_dir: Option<PathBuf>,

    /// Bearer token that every call of the API must carry, and that the UI asks its user for; the UI's files and the
    /// probes `/health` and `/readyz` need none. Without it everybody may call.
    #[arg(long, env, hide_env_values = true)]
    pub access_token: Option<Secret>,

    /// Let everybody who may call pull, load, unload and delete models: `true` or `false`. Without it that takes an
    /// ACCESS_TOKEN, or a server on a loopback address.
    #[arg(long, env)]
    pub allow_model_changes: bool,

    /// Names that a server on a loopback address answers to besides localhost.
    #[arg(long, env, value_delimiter = ',')]
    pub allowed_hosts: Vec<String>,

    /// Pages of other origins that may call this server, for example `https://chat.example.org`.
    #[arg(long, env, value_delimiter = ',')]
    pub allowed_origins: Vec<String>,

    /// Connections that may be open at once; more wait in the kernel's backlog.
    #[arg(long, env, default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections: u32,

    /// Seconds in which a new connection must have sent the headers of its first request.
    #[arg(long, env, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    header_timeout: u64,

    /// Seconds that a client may leave unread what it is sent before its connection ends; its answer gives its slot back then.
    #[arg(long, env, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    send_timeout: u64,

    /// Seconds between SIGTERM, from which `/readyz` says no, and the refusal of new requests: the time that a load
    /// balancer takes to look. 0 where it is told in another way, as in Kubernetes.
    #[arg(long, env, default_value_t = 0)]
    drain_delay: u64,

    /// Seconds that running answers get to finish after that. Those that do not are handed over to another server on the
    /// same database, or go on after the restart.
    #[arg(long, env, default_value_t = 30)]
    pub drain_timeout: u64,

    /// How log lines look.
    #[arg(long, env, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    #[command(flatten)]
    pub traces: TraceSettings,

    /// Name of the Kubernetes pod that this server runs in.
    #[arg(long, env)]
    pub pod_name: Option<String>,

    #[command(flatten)]
    pub autoscaling: AutoscalingSettings,
}

/// Where models are kept and where they come from: what the commands of `flotilla` have in common.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub struct ModelSettings {
    /// Folder of the embedded database and the models; by default the user's data folder.
    #[arg(long, env)]
    data_dir: Option<PathBuf>,

    /// Folder with GGUF files as `<name>/<tag>.gguf`; by default `models` in DATA_DIR.
    #[arg(long, env)]
    models_dir: Option<PathBuf>,

    /// Where models of the Ollama library are pulled from: the library itself or a mirror.
    #[arg(long, env, default_value = "https://registry.ollama.ai")]
    pub ollama_registry_url: String,

    /// Where models whose name begins with `hf.co/` are pulled from.
    #[arg(long, env, default_value = "https://huggingface.co")]
    pub hugging_face_url: String,
}

/// What models compute on: what `flotilla serve` and `flotilla optimize` have in common.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub struct MachineSettings {
    /// Threads that the own engine computes with; by default one for each core.
    #[arg(long, env, value_parser = clap::value_parser!(u32).range(1..=256))]
    threads: Option<u32>,

    /// Layers of a model that a GPU computes for the own engine, in a build with the feature `cuda`; by default all of them.
    /// Fewer are for a model that does not fit its memory.
    #[arg(long, env)]
    pub gpu_layers: Option<u32>,
}

/// Where traces go, under OpenTelemetry's own names. Its library reads the rest of them, such as OTEL_TRACES_SAMPLER, from
/// the environment itself: <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub struct TraceSettings {
    /// Collector that traces are sent to, over OTLP as http/protobuf, for example `http://127.0.0.1:4318`; without it there
    /// are none. OpenTelemetry's other variables, such as OTEL_EXPORTER_OTLP_HEADERS and OTEL_TRACES_SAMPLER, work too.
    #[arg(long, env)]
    otel_exporter_otlp_endpoint: Option<String>,

    /// The same with its path, where that is not `/v1/traces`.
    #[arg(long, env)]
    otel_exporter_otlp_traces_endpoint: Option<String>,

    /// Name under which its traces are found; by default `flotilla`.
    #[arg(long, env)]
    pub otel_service_name: Option<String>,
}

/// What Kubernetes is told to scale by.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub struct AutoscalingSettings {
    /// Address on which Kubernetes' API server is answered as `external.metrics.k8s.io`, for a HorizontalPodAutoscaler that
    /// goes by waiting and running answers, for example `0.0.0.0:8443`.
    #[arg(long, env)]
    pub external_metrics_addr: Option<SocketAddr>,

    /// Hosts with ports at which the servers are whose numbers are summed for it, for example `backend-pods:8000`; a name may
    /// have many addresses. By default this server alone.
    #[arg(long, env, value_delimiter = ',')]
    pub external_metrics_servers: Vec<String>,

    /// Write how many answers run here into the annotation `controller.kubernetes.io/pod-deletion-cost` of POD_NAME, so that
    /// scaling down takes the idlest pod.
    #[arg(long, env, default_value_t = false, num_args = 0..=1, default_missing_value = "true")]
    pub pod_deletion_cost: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// A variable without a value counts as not set: `NAME=` is how an `.env` file and Compose leave one out.
pub fn without_empty_variables(command: Command) -> Command {
    let is_empty = |name: &OsStr| env::var_os(name).is_some_and(|value| value.is_empty());
    let command = command.mut_args(|arg| match arg.get_env() {
        Some(name) if is_empty(name) => arg.env(Resettable::Reset),
        _ => arg,
    });
    command.mut_subcommands(without_empty_variables)
}

impl Config {
    /// The settings that the environment gives, for a program without flags of its own.
    pub fn from_environment() -> anyhow::Result<Self> {
        #[derive(clap::Parser)]
        struct Environment {
            #[command(flatten)]
            config: Config,
        }
        let command = without_empty_variables(<Environment as clap::CommandFactory>::command());
        let settings = command.try_get_matches_from(["flotilla"]);
        let environment =
            settings.and_then(|settings| <Environment as clap::FromArgMatches>::from_arg_matches(&settings));
        Ok(environment.context("a setting in the environment is not valid")?.config)
    }

    pub fn data_dir(&self) -> anyhow::Result<PathBuf> {
        self.models.data_dir()
    }

    pub fn models_dir(&self) -> anyhow::Result<PathBuf> {
        self.models.models_dir()
    }

    /// Whether this server runs models itself, instead of standing in front of another one.
    pub fn runs_models(&self) -> bool {
        self.ollama_url.is_empty() && self.openai_base_url.is_empty() && self.script.is_none()
    }

    /// `None` where names are not followed.
    pub fn engine_dns_interval(&self) -> Option<Duration> {
        self.engine_dns_interval.map(Duration::from_secs)
    }

    pub fn prefix_lifetime(&self) -> Duration {
        Duration::from_secs(self.prefix_lifetime)
    }

    /// How long a model that nobody uses stays in memory; `None` is for ever.
    pub fn keep_alive(&self) -> KeepAlive {
        match u64::try_from(self.keep_alive) {
            Ok(seconds) => KeepAlive::For(Duration::from_secs(seconds)),
            Err(_) => KeepAlive::Forever,
        }
    }

    /// In bytes; `None` where the machine decides.
    pub fn max_model_memory(&self) -> Option<u64> {
        self.max_model_memory.map(|size| size.as_u64())
    }

    pub fn database_url(&self) -> anyhow::Result<Secret> {
        match &self.database_url {
            Some(url) => Ok(url.clone()),
            None => Ok(Secret(format!("sqlite://{}", self.data_dir()?.join("flotilla.sqlite").display()))),
        }
    }

    /// Answers that one replica of a model writes at once.
    pub fn slots_per_replica(&self) -> usize {
        let slots = if self.runs_models() { self.slots } else { self.upstream_slots };
        slots as usize
    }

    pub fn queue_timeout(&self) -> Duration {
        Duration::from_secs(self.queue_timeout)
    }

    pub fn orphan_timeout(&self) -> Duration {
        Duration::from_secs(self.orphan_timeout)
    }

    pub fn first_token_timeout(&self) -> Duration {
        Duration::from_secs(self.first_token_timeout)
    }

    pub fn token_timeout(&self) -> Duration {
        Duration::from_secs(self.token_timeout)
    }

    pub fn send_timeout(&self) -> Duration {
        Duration::from_secs(self.send_timeout)
    }

    pub fn header_timeout(&self) -> Duration {
        Duration::from_secs(self.header_timeout)
    }

    pub fn drain_delay(&self) -> Duration {
        Duration::from_secs(self.drain_delay)
    }

    pub fn drain_timeout(&self) -> Duration {
        Duration::from_secs(self.drain_timeout)
    }
}

impl ModelSettings {
    pub fn data_dir(&self) -> anyhow::Result<PathBuf> {
        if let Some(folder) = &self.data_dir {
            return Ok(folder.clone());
        }
        let user = directories::ProjectDirs::from("", "", "flotilla").context("no home folder: set DATA_DIR")?;
        Ok(user.data_dir().to_owned())
    }

    pub fn models_dir(&self) -> anyhow::Result<PathBuf> {
        match &self.models_dir {
            Some(folder) => Ok(folder.clone()),
            None => Ok(self.data_dir()?.join("models")),
        }
    }
}

impl MachineSettings {
    /// llama.cpp computes slower when threads share a core with each other, so the default leaves none over.
    pub fn threads(&self) -> u32 {
        self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32))
    }
}

impl TraceSettings {
    /// The URL that spans are posted to; `None` while traces are off.
    pub fn endpoint(&self) -> Option<String> {
        self.otel_exporter_otlp_traces_endpoint.clone().or_else(|| {
            let collector = self.otel_exporter_otlp_endpoint.as_ref()?;
            Some(format!("{}/v1/traces", collector.trim_end_matches('/')))
        })
    }
}

/// A value that must not appear in a log or an error: its `Debug` says nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}
