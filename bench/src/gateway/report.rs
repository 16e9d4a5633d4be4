use super::{
    Candidate, Peer,
    latency::{DURATION, RATE},
    measurements::{Measurements, OPEN, WATCHED},
    open_streams::STALL,
};
use crate::{
    Setup,
    delay::{REQUESTS, STREAMS},
    rounds::Rounds,
    table::{COMPARISON, Table},
};

/// The greatest ratios that are good enough: to the least that a gateway can cost, and to those that do as much.
const LATENCY_TO_HYPER: f64 = 1.25;
const LATENCY_TO_ROUTERS: f64 = 0.8;
const CPU_TO_HYPER: f64 = 1.3;
const DELAY_TO_HYPER: f64 = 1.1;
const KIB_PER_STREAM: f64 = 16.0;

const SHORT_ANSWERS: &[&str] =
    &["gateway", "latency p50", "latency p99", "added p50", "added p99", "CPU a request, µs"];
const TEXTS: &[&str] = &["gateway", "1 stream, p50", "1 stream, p99", "16 streams, p50", "16 streams, p99"];
const MANY_STREAMS: &[&str] = &[
    "gateway",
    "idle, MB",
    "KiB a stream, 500",
    "KiB a stream, 1,000",
    "texts/s",
    "longest pause, ms",
    "stalled streams",
    "its core, %",
    "upstream's and generator's core, %",
];

pub fn tables(setup: &Setup, straight: &Measurements, candidates: &[Candidate]) -> Vec<Table> {
    let rounds = setup.rounds;
    let mut short_answers = Table::new(
        "Beside other gateways: short answers",
        SHORT_ANSWERS,
        format!(
            "Milliseconds of answers that are not streamed, {RATE} a second at random moments for {} s in each of {rounds} \
             rounds; medians of the rounds (least–greatest). Added is what is over the straight way in the same round. Keep-alive \
             on both sides.",
            DURATION.as_secs(),
        ),
    );
    let mut texts = Table::new(
        "Beside other gateways: added delay per token",
        TEXTS,
        format!(
            "Milliseconds from the upstream's write to the client's read over the straight way's in the same round; {REQUESTS} \
             answers a stream in each of {rounds} rounds, a text every 20 ms. Beside straight stands the way itself."
        ),
    );
    let mut many_streams = Table::new(
        "Beside other gateways: many streams",
        MANY_STREAMS,
        format!(
            "Memory is Pss of all its processes, with streams of one text a second. Then {} streams of 50 texts a second each, \
             watched for {} s; one is stalled if it paused for over {} ms.",
            OPEN[OPEN.len() - 1],
            WATCHED.as_secs(),
            STALL.as_millis(),
        ),
    );
    short_answers.row(short_answer_cells("straight", straight, None));
    texts.row(text_cells("straight", straight, None));
    many_streams.row(many_stream_cells("straight", straight));
    for Candidate { name, failure, measurements, .. } in candidates {
        match failure {
            Some(failure) => {
                for (table, columns) in
                    [(&mut short_answers, SHORT_ANSWERS), (&mut texts, TEXTS), (&mut many_streams, MANY_STREAMS)]
                {
                    let empty = columns.iter().skip(2).map(|_| String::new());
                    table.row([name.clone(), failure.clone()].into_iter().chain(empty));
                }
            }
            None => {
                short_answers.row(short_answer_cells(name, measurements, Some(straight)));
                texts.row(text_cells(name, measurements, Some(straight)));
                many_streams.row(many_stream_cells(name, measurements));
            }
        }
    }
    let targets = comparison(straight, candidates);
    [short_answers, texts, many_streams].into_iter().chain(targets).collect()
}

fn short_answer_cells(name: &str, way: &Measurements, straight: Option<&Measurements>) -> Vec<String> {
    let added = |of: fn(&Measurements) -> &Rounds| {
        straight.map_or_else(String::new, |straight| of(way).difference_to(of(straight)).spread(3))
    };
    vec![
        name.to_owned(),
        way.latency_p50.spread(3),
        way.latency_p99.spread(3),
        added(|way| &way.latency_p50),
        added(|way| &way.latency_p99),
        if straight.is_some() { way.cpu_per_request.spread(0) } else { String::new() },
    ]
}

fn text_cells(name: &str, way: &Measurements, straight: Option<&Measurements>) -> Vec<String> {
    let mut cells = vec![name.to_owned()];
    for (number, delays) in way.delays.iter().enumerate() {
        let [p50, p99] = match straight.map(|straight| &straight.delays[number]) {
            Some(straight) => [delays.p50.difference_to(&straight.p50), delays.p99.difference_to(&straight.p99)],
            None => [delays.p50.clone(), delays.p99.clone()],
        };
        cells.extend([p50.spread(3), p99.spread(3)]);
    }
    cells
}

fn many_stream_cells(name: &str, way: &Measurements) -> Vec<String> {
    let cell = |rounds: &Rounds, decimals| if rounds.is_empty() { String::new() } else { rounds.spread(decimals) };
    let texts = way.streams_failure.clone().unwrap_or_else(|| way.texts_per_second.spread(0));
    vec![
        name.to_owned(),
        cell(&way.idle_memory, 1),
        cell(&way.memory_per_stream[0], 1),
        cell(&way.memory_per_stream[1], 1),
        texts,
        cell(&way.longest_pause, 0),
        cell(&way.stalled, 0),
        cell(&way.core, 0),
        cell(&way.generator_core, 0),
    ]
}

/// Flotilla against the others that were measured; nothing if it was not.
fn comparison(straight: &Measurements, candidates: &[Candidate]) -> Option<Table> {
    let measured = |peer| candidates.iter().find(|other| other.peer == peer && other.failure.is_none());
    let own = &measured(Peer::Flotilla)?.measurements;
    let mut table = Table::new(
        "Beside other gateways: targets",
        COMPARISON,
        "The rounds of the tables above. Ratios are taken in each round, of what is added to the straight way.",
    );
    let mut compare = |what: &str, other: &Candidate, of: &dyn Fn(&Measurements) -> Rounds, decimals, greatest: f64| {
        let (own, others) = (of(own), of(&other.measurements));
        let ratio = own.ratio_to(&others);
        table.compare(
            [
                what.to_owned(),
                own.spread(decimals),
                format!("{}: {}", other.name, others.spread(decimals)),
                ratio.spread(2),
            ],
            &format!("≤ {greatest}"),
            Some(ratio.median() <= greatest),
        );
    };
    let latencies = [
        (Peer::Hyper, LATENCY_TO_HYPER),
        (Peer::SglangRouter, LATENCY_TO_ROUTERS),
        (Peer::VllmRouter, LATENCY_TO_ROUTERS),
    ];
    for (other, greatest) in latencies.into_iter().filter_map(|(peer, greatest)| Some((measured(peer)?, greatest))) {
        let p50 = |way: &Measurements| way.latency_p50.difference_to(&straight.latency_p50);
        let p99 = |way: &Measurements| way.latency_p99.difference_to(&straight.latency_p99);
        compare("added latency p50, ms", other, &p50, 3, greatest);
        compare("added latency p99, ms", other, &p99, 3, greatest);
    }
    if let Some(hyper) = measured(Peer::Hyper) {
        compare("CPU a request, µs", hyper, &|way| way.cpu_per_request.clone(), 0, CPU_TO_HYPER);
        for (number, streams) in STREAMS.into_iter().enumerate() {
            let straight = &straight.delays[number];
            let p50 = |way: &Measurements| way.delays[number].p50.difference_to(&straight.p50);
            let p99 = |way: &Measurements| way.delays[number].p99.difference_to(&straight.p99);
            compare(&format!("added delay per token p50, {streams} at once, ms"), hyper, &p50, 3, DELAY_TO_HYPER);
            compare(&format!("added delay per token p99, {streams} at once, ms"), hyper, &p99, 3, DELAY_TO_HYPER);
        }
    }
    let memory = &own.memory_per_stream[OPEN.len() - 1];
    table.compare(
        ["memory a stream, KiB".to_owned(), memory.spread(1), String::new(), String::new()],
        &format!("≤ {KIB_PER_STREAM}"),
        Some(memory.median() <= KIB_PER_STREAM),
    );
    table.compare(
        [
            "stalled of 1,000 streams at 50 tokens/s".to_owned(),
            own.stalled.spread(0),
            format!("straight: {}", straight.stalled.spread(0)),
            String::new(),
        ],
        "0",
        Some(own.stalled.median() == 0.0),
    );
    Some(table)
}
