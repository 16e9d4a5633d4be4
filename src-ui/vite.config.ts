import { fileURLToPath } from 'node:url';

import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

// Two builds of the same code: `vite build` for browsers, `vite build --mode desktop` for the Tauri window.
export default defineConfig(({ mode }) => {
  const desktop = mode === 'desktop';
  return {
    plugins: [react(), tailwindcss()],
    resolve: {
      alias: [
        { find: '@/platform/host', replacement: here(`./src/platform/${desktop ? 'tauri' : 'web'}.ts`) },
        { find: '@', replacement: here('./src') },
      ],
    },
    build: {
      outDir: desktop ? 'dist-desktop' : 'dist',
      emptyOutDir: true,
      target: ['chrome120', 'safari17', 'firefox121'],
      // A data: URL would be a second origin for scripts and styles under the content security policy.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
    },
    server: {
      proxy: Object.fromEntries(
        ['/api', '/health', '/readyz'].map((path) => [
          path,
          process.env.FLOTILLA_URL ?? 'http://127.0.0.1:8000',
        ]),
      ),
    },
    test: {
      environment: 'jsdom',
      setupFiles: ['src/test/setup.ts'],
      include: ['src/**/*.test.{ts,tsx}'],
      restoreMocks: true,
      unstubGlobals: true,
    },
  };
});
