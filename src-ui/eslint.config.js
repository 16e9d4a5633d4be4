import js from '@eslint/js';
import reactHooks from 'eslint-plugin-react-hooks';
import tseslint from 'typescript-eslint';

const FEATURES = ['access', 'chat', 'cluster', 'conversations', 'models', 'settings'];

const tauriOnlyInPlatform = {
  group: ['@tauri-apps/*'],
  message: 'Ask src/platform what the app can do; only it knows Tauri.',
};

const noPages = {
  group: ['@/pages/*', '@/app', '@/router', '@/shell'],
  message: 'Flow is shared → features → pages; a feature does not know where it is shown.',
};

export default tseslint.config(
  {
    ignores: [
      'dist',
      'dist-desktop',
      'test-results',
      'playwright-report',
      'src/api/schema.ts',
      'src/platform/generated',
    ],
  },
  js.configs.recommended,
  tseslint.configs.strictTypeChecked,
  tseslint.configs.stylisticTypeChecked,
  reactHooks.configs.flat.recommended,
  {
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: ['eslint.config.js'] } } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { attributes: false } }],
      '@typescript-eslint/consistent-type-definitions': ['error', 'interface'],
      '@typescript-eslint/consistent-type-imports': 'error',
      'no-restricted-imports': ['error', { patterns: [tauriOnlyInPlatform] }],
      'no-console': 'error',
    },
  },
  { files: ['src/platform/**'], rules: { 'no-restricted-imports': 'off' } },
  ...FEATURES.map((feature) => ({
    files: [`src/features/${feature}/**`],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            tauriOnlyInPlatform,
            noPages,
            {
              group: FEATURES.filter((other) => other !== feature).map((other) => `@/features/${other}/*`),
              message: 'Features do not import each other; compose them in src/pages.',
            },
          ],
        },
      ],
    },
  })),
  { files: ['e2e/**', 'bench/**'], rules: { 'react-hooks/rules-of-hooks': 'off', 'no-console': 'off' } },
  { files: ['eslint.config.js'], extends: [tseslint.configs.disableTypeChecked] },
);
