//! Words in the lines that people copy into a shell.

/// As a shell takes it: the name of a context may hold anything.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:@".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_with_odd_letters_is_quoted_for_the_shell() {
        assert_eq!(quoted("k3d-flotilla"), "k3d-flotilla");
        assert_eq!(quoted("it's mine; rm -rf"), r"'it'\''s mine; rm -rf'");
    }
}
