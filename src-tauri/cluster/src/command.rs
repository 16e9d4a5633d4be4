//! Running outside programs: docker, k3d, and the load command that a user sets.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    process::Command,
};

use crate::{Error, ErrorKind, Result};

/// What is kept of a failed program's words.
const LAST_LINES: usize = 6;

/// Which programs to run: names to look for on PATH, or paths.
#[derive(Clone, Debug)]
pub struct Programs {
    pub docker: PathBuf,
    pub k3d: PathBuf,
}

impl Default for Programs {
    fn default() -> Self {
        Self { docker: "docker".into(), k3d: "k3d".into() }
    }
}

/// Who listens to a program's messages, line by line.
pub(crate) type Log<'a> = &'a (dyn Fn(&str) + Sync);

/// Run to the end and return what it printed.
pub(crate) async fn run(program: &Path, arguments: &[&str], log: Log<'_>) -> Result<String> {
    let mut printed = Vec::new();
    pour(program, arguments, log, &mut printed, &mut |_| {}).await?;
    Ok(String::from_utf8_lossy(&printed).into_owned())
}

/// Run to the end and write what it prints into `sink`; `poured` hears how much each time. Dropping the future kills
/// the program.
pub(crate) async fn pour(
    program: &Path,
    arguments: &[&str],
    log: Log<'_>,
    sink: &mut (dyn AsyncWrite + Unpin + Send),
    poured: &mut (dyn FnMut(u64) + Send),
) -> Result<()> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| cannot_start(program, &error))?;
    let (Some(mut output), Some(messages)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(failed(program, "its output cannot be read"));
    };
    let read = async move {
        let mut piece = vec![0; 256 * 1024];
        loop {
            let length = output.read(&mut piece).await?;
            if length == 0 {
                return sink.flush().await;
            }
            sink.write_all(&piece[..length]).await?;
            poured(length as u64);
        }
        // Returning early closes the pipe, which ends the program.
    };
    let mut last = VecDeque::new();
    let listen = async {
        let mut lines = BufReader::new(messages).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let line = without_colours(&line);
            log(&line);
            last.push_back(line);
            if last.len() > LAST_LINES {
                last.pop_front();
            }
        }
    };
    let (written, ()) = tokio::join!(read, listen);
    let status = child.wait().await.map_err(|error| failed(program, &error.to_string()))?;
    written.map_err(|error| failed(program, &format!("what it printed cannot be written: {error}")))?;
    if status.success() {
        return Ok(());
    }
    let said = last.into_iter().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join(" / ");
    Err(failed(program, if said.is_empty() { "it said nothing" } else { &said }))
}

/// A line that a user typed, as a program and its arguments: words with optional quotes, and no shell.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for character in line.chars() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, _) if character.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

fn cannot_start(program: &Path, error: &std::io::Error) -> Error {
    let name = name(program);
    if error.kind() == std::io::ErrorKind::NotFound {
        let how = match name.as_str() {
            "docker" => "Install it from https://docs.docker.com/get-docker",
            "k3d" => "Install it from https://k3d.io",
            _ => "Check its path",
        };
        return Error::passing(
            ErrorKind::ToolMissing,
            format!("The program {name} is not there. {how}, then try again."),
        );
    }
    Error::passing(ErrorKind::ToolMissing, format!("The program {name} cannot be started: {error}."))
}

fn failed(program: &Path, said: &str) -> Error {
    let name = name(program);
    let said = said.trim().trim_end_matches('.');
    let message = if said.to_lowercase().contains("no space left on device") {
        format!("The disk is full, says {name}. Free some space (`docker system prune` helps), then try again.")
    } else if said.contains("port is already allocated") || said.contains("address already in use") {
        format!("Another program uses the port ({said}). Stop that program or choose another port, then try again.")
    } else if said.contains("docker daemon") || said.contains("docker.sock") {
        format!("Docker does not answer ({said}). Start Docker, then try again.")
    } else {
        format!("{name} failed: {said}.")
    };
    Error::passing(ErrorKind::ToolFailed, message)
}

fn name(program: &Path) -> String {
    program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()
}

/// k3d colours its messages.
fn without_colours(line: &str) -> String {
    let mut clean = String::new();
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            for code in characters.by_ref() {
                if code.is_ascii_alphabetic() {
                    break;
                }
            }
        } else if !character.is_control() {
            clean.push(character);
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn a_load_command_is_split_into_words_without_a_shell() {
        assert_eq!(
            words("  tools/load --into 'node one' \"a b\"c ; rm"),
            ["tools/load", "--into", "node one", "a bc", ";", "rm"]
        );
    }
}
