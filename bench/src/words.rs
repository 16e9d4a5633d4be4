//! Text that no server has seen before.

/// Common words, so that nearly all of them are one token each.
const WORDS: [&str; 48] = [
    "water", "house", "light", "garden", "river", "winter", "music", "paper", "window", "morning", "stone", "bread",
    "forest", "letter", "market", "bridge", "summer", "story", "table", "field", "night", "horse", "glass", "street",
    "island", "color", "voice", "doctor", "school", "animal", "number", "silver", "road", "mountain", "clock", "fire",
    "ocean", "child", "train", "flower", "king", "wind", "valley", "dream", "book", "ship", "bird", "cloud",
];

/// Asks for a text of `count` words in random order. Words alone ask for nothing, and a model may answer nothing to them.
pub fn question(random: &mut fastrand::Rng, count: usize) -> String {
    format!("Write a very long story in which these words occur: {}.", words(random, count))
}

/// `count` words in random order, the same ones for the same state of `random`.
pub fn words(random: &mut fastrand::Rng, count: usize) -> String {
    let chosen: Vec<_> = (0..count).map(|_| WORDS[random.usize(..WORDS.len())]).collect();
    chosen.join(" ")
}
