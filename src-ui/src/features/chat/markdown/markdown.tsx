import { Streamdown, type Components } from 'streamdown';

import { Fence, Image, Link, Table } from './elements';

interface MarkdownProps {
  text: string;
  /** More is coming: half-open syntax is closed while it does. */
  streaming: boolean;
}

/** Draws what a model wrote. Raw HTML is shown as text, nothing is fetched, and links ask first. */
export default function Markdown({ text, streaming }: MarkdownProps) {
  return (
    <Streamdown
      mode="streaming"
      isAnimating={streaming}
      parseIncompleteMarkdown={streaming}
      components={COMPONENTS}
      // Without rehype-raw no HTML of the model becomes elements.
      rehypePlugins={NO_PLUGINS}
      linkSafety={NO_LINK_DIALOG}
      controls={false}
      dir="auto"
      className="markdown"
    >
      {text}
    </Streamdown>
  );
}

// Plain elements in place of Streamdown's own: their looks are in index.css. Headings start below the message's.
const COMPONENTS: Components = {
  a: Link,
  img: Image,
  pre: Fence,
  table: Table,
  code: 'code',
  h1: 'h3',
  h2: 'h4',
  h3: 'h5',
  h4: 'h6',
  h5: 'h6',
  h6: 'h6',
  p: 'p',
  ul: 'ul',
  ol: 'ol',
  li: 'li',
  hr: 'hr',
  strong: 'strong',
  blockquote: 'blockquote',
  thead: 'thead',
  tbody: 'tbody',
  tr: 'tr',
  th: 'th',
  td: 'td',
  sup: 'sup',
  sub: 'sub',
  section: 'section',
};

const NO_PLUGINS: [] = [];
const NO_LINK_DIALOG = { enabled: false };
