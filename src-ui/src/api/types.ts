import type { components } from './schema';

// schema.ts is made from the server's own description; these are its types under shorter names.

type Schemas = components['schemas'];

/** The server writes every field of its answers, those too that its schema marks as optional because they may be null. */
type Written<T> = T extends readonly (infer Item)[]
  ? Written<Item>[]
  : T extends object
    ? { [Key in keyof T]-?: Written<T[Key]> }
    : T;

/** Those that are not set are left out. */
export type Parameters = Partial<Schemas['Parameters']>;

export type Conversation = Written<Omit<Schemas['Conversation'], 'parameters'>> & {
  parameters: Parameters | null;
};
export type ConversationSummary = Written<Schemas['ConversationSummary']>;
export type ConversationPage = Written<Schemas['ConversationList']>;
export type Message = Written<Schemas['Message']>;
export type MessageStatus = Schemas['Status'];
export type Details = Written<Schemas['Details']>;
export type ContextReport = Written<Schemas['ContextReport']>;
export type Turn = Written<Schemas['Turn']>;
export type RunEvent = Written<Schemas['RunEvent']>;
export type Model = Written<Schemas['Model']>;
export type ModelList = Written<Schemas['Models']>;
export type Job = Written<Schemas['Job']>;
export type JobList = Written<Schemas['JobList']>;

export interface ConversationWithMessages {
  conversation: Conversation;
  messages: Message[];
}

export type NewConversation = Change<Schemas['NewConversation']>;
/** What is left out stays as it is; `null` clears it. */
export type ConversationChange = Change<Schemas['ConversationChange']>;

/** In requests every field may be left out. */
type Change<T> = Partial<Omit<T, 'parameters'>> & { parameters?: Parameters | null };
