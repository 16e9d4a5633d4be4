//! The engine on its own, for tests of the real process; users get it as `flotilla engine`.

fn main() -> anyhow::Result<()> {
    flotilla_engine::run()
}
