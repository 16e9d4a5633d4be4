//! WebKitGTK's trouble with some graphics drivers.

/// With the DMA-BUF renderer the window stays white on many NVIDIA and virtual machines. Call it before GTK starts.
#[expect(unsafe_code, reason = "WebKit takes this choice from the environment alone")]
pub fn prefer_shared_memory() {
    const CHOICE: &str = "WEBKIT_DISABLE_DMABUF_RENDERER";
    if cfg!(target_os = "linux") && std::env::var_os(CHOICE).is_none() {
        // SAFETY: `main` calls this first, so no other thread reads the environment at the same time.
        unsafe { std::env::set_var(CHOICE, "1") };
    }
}
