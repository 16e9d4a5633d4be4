//! Getting Flotilla's images into the nodes of a cluster that has no registry.

use std::path::{Path, PathBuf};

use crate::{Error, ErrorKind, Result, command};

/// An image of Flotilla's own, with the version of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Image {
    Backend,
    Frontend,
}

impl Image {
    pub const ALL: [Self; 2] = [Self::Backend, Self::Frontend];

    pub fn repository(self) -> &'static str {
        match self {
            Self::Backend => "flotilla-backend",
            Self::Frontend => "flotilla-frontend",
        }
    }

    pub fn name(self) -> String {
        format!("{}:{}", self.repository(), env!("CARGO_PKG_VERSION"))
    }

    /// The arguments of `docker build` in the source tree.
    fn build_arguments(self, source: &Path) -> Vec<String> {
        let path = |relative: &str| source.join(relative).to_string_lossy().into_owned();
        let (dockerfile, context) = match self {
            Self::Backend => (path("server/Dockerfile"), path(".")),
            Self::Frontend => (path("src-ui/Dockerfile"), path("src-ui")),
        };
        ["build", "--tag", &self.name(), "--file", &dockerfile, &context].map(str::to_owned).into()
    }
}

/// The tar file between Docker and k3d. It goes with this value, also when a deploy is cut off in the middle.
pub(crate) struct Archive(PathBuf);

impl Archive {
    pub fn in_folder(state_folder: &Path) -> Self {
        Self(state_folder.join("image.tar"))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        // Nothing was written, or the start of the next deploy tries again.
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(crate) struct Docker<'a> {
    pub program: &'a Path,
    pub log: command::Log<'a>,
}

impl Docker<'_> {
    /// The server's version, which only a running Docker tells.
    pub async fn version(&self) -> Result<String> {
        let printed = self.run(&["version", "--format", "{{.Server.Version}}"]).await?;
        Ok(printed.trim().to_owned())
    }

    /// How much memory Docker may use, and where it keeps its data.
    pub async fn memory_and_folder(&self) -> Result<(u64, PathBuf)> {
        let printed = self.run(&["info", "--format", "{{.MemTotal}} {{.DockerRootDir}}"]).await?;
        let (memory, folder) = printed.trim().split_once(' ').unwrap_or_default();
        Ok((memory.parse().unwrap_or_default(), folder.into()))
    }

    /// The image's size in bytes; none when Docker has no such image.
    pub async fn size(&self, image: &str) -> Result<Option<u64>> {
        Ok(self.inspect(image, "{{.Size}}").await?.and_then(|printed| printed.parse().ok()))
    }

    /// What is in the image, as a digest; none when Docker has no such image.
    pub async fn id(&self, image: &str) -> Result<Option<String>> {
        self.inspect(image, "{{.Id}}").await
    }

    async fn inspect(&self, image: &str, format: &str) -> Result<Option<String>> {
        match command::run(self.program, &["image", "inspect", "--format", format, image], &|_| {}).await {
            Ok(printed) => Ok(Some(printed.trim().to_owned())),
            Err(error) if error.message.to_lowercase().contains("no such image") => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub async fn build(&self, image: Image, source: &Path) -> Result<()> {
        let arguments = image.build_arguments(source);
        self.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await.map(drop)
    }

    /// Write an image into a tar file; `saved` hears of every piece.
    pub async fn save(&self, image: &str, archive: &Path, mut saved: impl FnMut(u64) + Send) -> Result<()> {
        let mut file = tokio::fs::File::create(archive).await.map_err(|error| cannot_save(archive, &error))?;
        command::pour(self.program, &["save", image], self.log, &mut file, &mut saved).await
    }

    async fn run(&self, arguments: &[&str]) -> Result<String> {
        command::run(self.program, arguments, self.log).await
    }
}

/// Whether the folder holds what the images are built from.
pub(crate) fn is_source_tree(folder: &Path) -> bool {
    folder.join("server/Dockerfile").is_file() && folder.join("src-ui/Dockerfile").is_file()
}

/// What to type for a build in the source tree.
pub(crate) fn build_line(image: Image) -> String {
    format!("docker {}", image.build_arguments(Path::new("")).join(" "))
}

fn cannot_save(archive: &Path, error: &std::io::Error) -> Error {
    Error::passing(
        ErrorKind::ToolFailed,
        format!("Cannot write the image to {}: {error}. Check the disk's free space.", archive.display()),
    )
}
